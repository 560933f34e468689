"""The package as others meet it: one version everywhere, and nothing missing from the wheel."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import ghost_vpr_ros
from ghost_vpr_ros.core.model.default_weights import default_weights_path, load_default_model

ROOT = Path(__file__).parent.parent
LAUNCHERS = sorted((ROOT / 'resource' / 'lib').iterdir())


def setup_keywords() -> dict[str, ast.expr]:
    """The arguments of `setup(...)` by name."""
    tree = ast.parse((ROOT / 'setup.py').read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    call = next(c for c in calls if c.func.id == 'setup')
    return {keyword.arg: keyword.value for keyword in call.keywords}


def test_all_versions_agree() -> None:
    found = {
        'setup.py': ast.literal_eval(setup_keywords()['version']),
        'package.xml': ElementTree.parse(ROOT / 'package.xml').findtext('version'),
        'CITATION.cff': yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'],
        'CHANGELOG.rst': re.search(
            r'^(\d+\.\d+\.\d+)', (ROOT / 'CHANGELOG.rst').read_text(), re.M
        )[1],
    }
    assert set(found.values()) == {ghost_vpr_ros.__version__}, found


def test_package_xml_names_the_build_type() -> None:
    root = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert root.get('format') == '3'
    assert root.findtext('name') == 'ghost_vpr_ros'
    assert root.findtext('export/build_type') == 'ament_python'


def imported_ros_packages() -> set[str]:
    """Packages of ROS that the library and the launch files import."""
    files = [*(ROOT / 'ghost_vpr_ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    modules = {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    modules |= {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    ros = re.compile(r'.*_(msgs|srvs|interfaces)|rclpy|launch(_ros)?|ament_.*|cv_bridge')
    return {name for name in (module.split('.')[0] for module in modules) if ros.fullmatch(name)}


def test_package_xml_declares_every_ros_package_in_use() -> None:
    root = ElementTree.parse(ROOT / 'package.xml').getroot()
    declared = {item.text for item in root.findall('exec_depend')}
    assert imported_ros_packages() >= {'rclpy', 'sensor_msgs', 'launch_ros'}
    assert imported_ros_packages() - declared == set()


def test_console_command_can_be_imported() -> None:
    scripts = ast.literal_eval(setup_keywords()['entry_points'])['console_scripts']
    name, target = scripts[0].split(' = ')
    module, function = target.split(':')
    assert name == 'ghost-vpr'
    assert callable(getattr(importlib.import_module(module), function))


def test_every_tested_version_is_exact() -> None:
    lines = [x for x in (ROOT / 'constraints.txt').read_text().splitlines() if x[0] != '#']
    assert [x for x in lines if not re.match(r'[a-z0-9-]+==[0-9.]+( ; .*)?$', x)] == []
    assert [x for x in lines if x.startswith('torch==2.13.0')] == []


def test_every_requirement_has_a_tested_version() -> None:
    asked = ast.literal_eval(setup_keywords()['install_requires'])
    names = {re.match(r'[a-z0-9-]+', requirement)[0] for requirement in asked}
    tested = {x.split('==')[0] for x in (ROOT / 'constraints.txt').read_text().splitlines()}
    assert names - tested == set()


@pytest.mark.parametrize('launcher', LAUNCHERS, ids=lambda path: path.name)
def test_ros_executable_has_a_main(launcher: Path) -> None:
    pytest.importorskip('rclpy')
    module = re.search(r'-m (\S+)', launcher.read_text())[1]
    source = Path(importlib.import_module(module).__file__).read_text()
    assert callable(importlib.import_module(module).main)
    assert "if __name__ == '__main__':" in source


def test_launcher_prefers_the_python_of_its_prefix(tmp_path: Path) -> None:
    launcher = tmp_path / 'lib' / 'ghost_vpr_ros' / 'place_recognition'
    python = tmp_path / 'bin' / 'python3'
    for folder in (launcher.parent, python.parent):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / 'resource' / 'lib' / 'place_recognition', launcher)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = subprocess.run([launcher, '--ros-args', 'a b'], capture_output=True, text=True)
    assert done.stdout.split(maxsplit=1)[0] == '-m'
    assert done.stdout.endswith(' --ros-args a b\n')


def test_launcher_falls_back_to_the_python_of_the_path(tmp_path: Path) -> None:
    python = tmp_path / 'python3'
    python.write_text('#!/bin/sh\necho "path: $@"\n')
    python.chmod(0o755)
    path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
    launcher = ROOT / 'resource' / 'lib' / 'image_publisher'
    done = subprocess.run(
        [launcher], capture_output=True, text=True, env={**os.environ, 'PATH': path}
    )
    assert done.stdout.startswith('path: -m ghost_vpr_ros.ros.tools.image_publisher')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of what belongs to the package."""
    pytest.importorskip('setuptools', minversion='70.1')
    source = tmp_path_factory.mktemp('source')
    for name in ('ghost_vpr_ros', 'resource', 'launch', 'config', 'training'):
        ignored = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ('setup.py', 'setup.cfg', 'package.xml', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, 'setup.py', '--quiet', 'bdist_wheel', '--dist-dir', 'out']
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return zipfile.ZipFile(next((source / 'out').glob('*.whl')))


def test_wheel_holds_every_module_and_weight(wheel: zipfile.ZipFile) -> None:
    package = ROOT / 'ghost_vpr_ros'
    wanted = [*package.rglob('*.py'), *(package / 'weights').iterdir(), package / 'py.typed']
    wanted += package.rglob('*.j2')
    names = {str(path.relative_to(ROOT)) for path in wanted}
    assert names - set(wheel.namelist()) == set()


def test_the_shipped_weights_are_small_and_their_card_is_theirs() -> None:
    path = default_weights_path()
    model = load_default_model()
    assert model.descriptor_dim <= 512
    assert path.stat().st_size < 20e6
    assert model.model_hash in (path.parent / 'MODEL_CARD.md').read_text()


def test_wheel_installs_nothing_under_generic_names(wheel: zipfile.ZipFile) -> None:
    tops = {name.split('/')[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.startswith('ghost_vpr_ros')} == set()


def test_wheel_holds_what_ros_looks_for(wheel: zipfile.ZipFile) -> None:
    data = {
        name.split('.data/data/')[1]: wheel.getinfo(name).external_attr >> 16
        for name in wheel.namelist()
        if '.data/data/' in name
    }
    wanted = {'share/ament_index/resource_index/packages/ghost_vpr_ros'}
    wanted |= {'share/ghost_vpr_ros/package.xml', 'share/ghost_vpr_ros/launch/vpr.launch.py'}
    wanted |= {f'share/ghost_vpr_ros/config/{path.name}' for path in (ROOT / 'config').iterdir()}
    assert wanted - set(data) == set()
    executables = {name for name, mode in data.items() if mode & 0o111}
    assert executables == {f'lib/ghost_vpr_ros/{path.name}' for path in LAUNCHERS}
