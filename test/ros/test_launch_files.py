"""The launch file and what it uses; run for real where `launch_ros` is installed."""

import __future__

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'vpr.launch.py'
PROFILE = ROOT / 'config' / 'fastdds_large_images.xml'
ARGUMENTS = [
    *('map', 'model', 'device', 'image_topic', 'image_transport', 'camera_info', 'odom', 'fix'),
    *('params_file', 'namespace'),
    *('use_sim_time', 'rviz', 'bag', 'mode', 'autostart', 'log_level'),
]
MIB = 2**20


def declared_arguments():
    """Calls of `_argument` in the launch file: name, default, description[, choices]."""
    calls = [n for n in ast.walk(ast.parse(LAUNCH_FILE.read_text())) if isinstance(n, ast.Call)]
    return [c.args for c in calls if isinstance(c.func, ast.Name) and c.func.id == '_argument']


def test_all_launch_arguments_are_declared_and_described():
    assert [arguments[0].value for arguments in declared_arguments()] == ARGUMENTS
    assert all(len(ast.unparse(arguments[2])) > 10 for arguments in declared_arguments())


@pytest.mark.parametrize(
    'name', ['device', 'image_transport', 'use_sim_time', 'rviz', 'mode', 'autostart', 'log_level']
)
def test_arguments_with_few_values_have_choices(name):
    assert len({a[0].value: a for a in declared_arguments()}[name]) == 4


def test_the_profile_has_room_for_large_images():
    names = {'d': 'http://www.eprosima.com'}
    transport = ElementTree.parse(PROFILE).find('.//d:transport_descriptor[d:type="SHM"]', names)
    assert transport.findtext('d:segment_size', namespaces=names) == str(32 * MIB)
    assert transport.findtext('d:maxMessageSize', namespaces=names) == str(8 * MIB)


def test_the_profile_announces_processes_until_fast_dds_would_again():
    names = {'d': 'http://www.eprosima.com'}
    announcements = ElementTree.parse(PROFILE).find('.//d:initialAnnouncements', names)
    count = int(announcements.findtext('d:count', namespaces=names))
    period_ns = int(announcements.findtext('d:period/d:nanosec', namespaces=names))
    assert count * period_ns >= 3 * 10**9


def rviz_topics():
    text = (ROOT / 'config' / 'vpr.rviz').read_text()
    displays = yaml.safe_load(text)['Visualization Manager']['Displays']
    return {d['Topic']['Value'] for d in displays if 'Topic' in d}


def test_rviz_shows_the_topics_of_the_node():
    names = ('keyframes', 'candidates', 'pose', 'markers', 'match_image/compressed')
    assert rviz_topics() == {f'/place_recognition/{name}' for name in names}


def test_foxglove_shows_the_topics_of_the_node():
    layout = json.loads((ROOT / 'config' / 'foxglove.json').read_text())
    panels = layout['configById']
    assert (
        set(panels['3D!places']['topics']) | {panels['Image!match']['imageMode']['imageTopic']}
        == rviz_topics()
    )
    assert panels['RawMessages!status']['topicPath'] == '/place_recognition/status'
    arranged = re.findall(r'"(?:first|second)": "([^"]+)"', json.dumps(layout['layout']))
    assert sorted(arranged) == sorted(panels)


@pytest.fixture
def launch_module(monkeypatch):
    pytest.importorskip('launch_ros')
    monkeypatch.setattr(
        'ament_index_python.packages.get_package_share_directory', lambda name: str(ROOT)
    )
    spec = importlib.util.spec_from_file_location('vpr_launch', LAUNCH_FILE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'vpr_launch', module)
    spec.loader.exec_module(module)
    return module


def declared_defaults():
    return {a[0].value: getattr(a[1], 'value', '') for a in declared_arguments()}


def test_what_the_user_does_not_give_keeps_the_value_of_the_parameter_file():
    defaults = declared_defaults()
    kept = ('map', 'model', 'device', 'image_transport', 'mode', 'autostart', 'use_sim_time')
    assert {name: defaults[name] for name in kept} == dict.fromkeys(kept, '')


def test_only_given_arguments_override_the_parameter_file(launch_module):
    parameters = launch_module._parameters(declared_defaults())
    assert parameters == {}
    given = {'map': '1', 'autostart': 'false'}
    parameters = launch_module._parameters(declared_defaults() | given)
    assert set(parameters) == {'map', 'autostart'}
    assert parameters['autostart'] is False


def test_rviz_follows_the_namespace(launch_module):
    assert launch_module._rviz_topics('') == []
    remaps = dict(launch_module._rviz_topics('robot/front'))
    assert set(remaps) == rviz_topics() | {'/place_recognition/match_image'}
    assert remaps['/place_recognition/pose'] == '/robot/front/place_recognition/pose'


@pytest.mark.parametrize('given', [{}, {'use_sim_time': 'true', 'namespace': 'robot'}])
def test_the_processes_can_be_described(launch_module, given):
    values = declared_defaults() | {'params_file': str(ROOT / 'config' / 'vpr.yaml')} | given
    assert launch_module._recognition_node(values) is not None
    assert launch_module._rviz(values) is not None
    expected = {'use_sim_time': True} if given else {}
    assert launch_module._parameters({'use_sim_time': values['use_sim_time']}) == expected


def test_the_description_can_be_generated(launch_module):
    description = launch_module.generate_launch_description()
    declared = [
        a.name
        for a, _ in description.get_launch_arguments_with_include_launch_description_actions()
    ]
    assert declared == ARGUMENTS


def launch_function(name, **known):
    """A function of the launch file with what it calls, where `launch` is not installed."""
    tree = ast.parse(LAUNCH_FILE.read_text())
    wanted = ('_check', '_check_parameters', '_has_parameters', '_is_installed', '_sibling')
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in wanted]
    scope = {'Path': Path, 'yaml': yaml, **known}
    exec(
        compile(tree, str(LAUNCH_FILE), 'exec', flags=__future__.annotations.compiler_flag), scope
    )
    return scope[name]


class PackageNotFoundError(KeyError):
    pass


def nothing_installed(package):
    raise PackageNotFoundError(package)


GIVEN = {'params_file': str(ROOT / 'config' / 'vpr.yaml'), 'rviz': 'false', 'bag': ''}


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        ({'rviz': 'true'}, 'rviz2, which is not installed'),
        ({'rviz': 'True'}, 'rviz2, which is not installed'),
        ({'bag': '/no/bag'}, 'does not exist'),
        ({'bag': str(ROOT)}, 'ros2bag, which is not installed'),
        ({'params_file': '/no/file.yaml'}, 'cannot be read'),
        ({'params_file': str(ROOT / 'setup.py')}, 'cannot be read|expected parameters'),
        ({'params_file': str(ROOT / 'LICENSE')}, 'cannot be read|expected parameters'),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(given, text):
    check = launch_function(
        '_check', get_package_prefix=nothing_installed, PackageNotFoundError=PackageNotFoundError
    )
    check(GIVEN)
    with pytest.raises(RuntimeError, match=text):
        check(GIVEN | given)


@pytest.mark.parametrize(
    ('image', 'info'),
    [
        ('/camera/image', '/camera/camera_info'),
        ('camera/image_raw', 'camera/camera_info'),
        ('/image', '/camera_info'),
        ('image', 'camera_info'),
    ],
)
def test_the_calibration_is_looked_for_beside_the_images(image, info):
    assert launch_function('_sibling')(image) == info
