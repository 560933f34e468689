"""`make setup` trusts only environments that it completed, and states why it stops.

The interpreter is a shell script that writes down how it was called, so nothing is installed.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = '.ci/setup_venv.sh'

FAKE_PYTHON = """#!/bin/sh
echo "$*" >> calls.txt
case "$*" in
    *'import venv'*) [ -z "$NO_VENV" ] || exit 1 ;;
    *'-m venv --clear'*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    *'pip install'*) [ -z "$INTERRUPT" ] || exit 130 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the script reads, and the fake interpreter."""
    for name in (SCRIPT, 'setup.py', 'constraints.txt', 'package.xml'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / 'resource', tmp_path / 'resource')
    python = tmp_path / 'python3'
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    return tmp_path


def setup(checkout: Path, venv: str = '.venv', **environment: str) -> tuple[int, str, list[str]]:
    """Exit status, standard error, and the calls of the interpreter."""
    calls = checkout / 'calls.txt'
    calls.write_text('')
    done = subprocess.run(
        ['sh', SCRIPT, venv],
        cwd=checkout,
        env={**os.environ, 'UV': '', 'PYTHON': str(checkout / 'python3'), **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr, calls.read_text().splitlines()


def test_new_environment_is_made_and_filled(checkout: Path) -> None:
    status, _, calls = setup(checkout)
    extras = 'ros,replay,engines,fleet,train,docs,test'
    install = f'-m pip install --use-pep517 -c constraints.txt -e .[{extras}]'
    assert status == 0
    assert calls.index('-m venv --clear .venv') < calls.index(install)


def test_complete_environment_is_left_alone(checkout: Path) -> None:
    setup(checkout)
    assert setup(checkout) == (0, '', ['-c '])


def test_interrupted_environment_is_made_again(checkout: Path) -> None:
    status, _, _ = setup(checkout, INTERRUPT='yes')
    assert status == 130
    assert '-m venv --clear .venv' in setup(checkout)[2]


def test_changed_constraints_are_installed_over_the_old(checkout: Path) -> None:
    setup(checkout)
    (checkout / 'constraints.txt').write_text('numpy==2.4.6\n')
    _, _, calls = setup(checkout)
    assert '-m venv --clear .venv' not in calls
    assert any('pip install' in call for call in calls)


def test_moved_environment_is_made_again(checkout: Path) -> None:
    setup(checkout)
    moved = checkout.rename(checkout.parent / 'moved here')
    assert '-m venv --clear .venv' in setup(moved)[2]


def test_a_link_to_an_environment_of_others_is_left_as_it_is(checkout: Path) -> None:
    other = checkout.parent / 'environment of others'
    (other / 'bin').mkdir(parents=True)
    (checkout / '.venv').symlink_to(other)
    status, error, calls = setup(checkout)
    assert status == 1
    assert 'belongs to another place' in error
    assert not any('venv --clear' in call for call in calls)


def test_ros_finds_its_files_in_the_environment(checkout: Path) -> None:
    setup(checkout)
    venv = checkout / '.venv'
    executables = {path.name for path in (venv / 'lib' / 'ghost_vpr_ros').iterdir()}
    assert executables == {path.name for path in (ROOT / 'resource' / 'lib').iterdir()}
    marker = venv / 'share/ament_index/resource_index/packages/ghost_vpr_ros'
    assert marker.is_file()
    assert (venv / 'share/ghost_vpr_ros/package.xml').is_file()


def test_missing_venv_module_is_named(checkout: Path) -> None:
    status, error, _ = setup(checkout, NO_VENV='yes')
    assert status == 1
    assert 'apt install python3-venv' in error
    assert not (checkout / '.venv').exists()


def test_missing_interpreter_is_named(checkout: Path) -> None:
    status, error, _ = setup(checkout, PYTHON='/no/such/python3')
    assert (status, len(error.splitlines())) == (1, 1)
    assert 'needs Python 3.10, 3.11 or 3.12, found none of: /no/such/python3' in error


def test_folder_that_is_no_environment_is_refused(checkout: Path) -> None:
    photos = checkout / 'photos'
    photos.mkdir()
    (photos / 'a.jpg').touch()
    status, error, _ = setup(checkout, venv='photos')
    assert status == 1
    assert 'is not a Python environment' in error
    assert (photos / 'a.jpg').exists()
