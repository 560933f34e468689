"""Start the node `place_recognition`, optionally with RViz and a bag.

Empty arguments keep the values of `params_file`; nothing is downloaded.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.home import expanded
from ghost_vpr_ros.ros.parameters import NodeConfig

SHARE = Path(get_package_share_directory('ghost_vpr_ros'))
CHOICES = {item.name: item.choices for item in settings_of(NodeConfig)}
KEEP = ' (empty: as in params_file)'
BOOLEAN = ['true', 'false', 'True', 'False']
PATHS = ('map', 'model', 'params_file', 'bag')
LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal']
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
BOOLEAN_ARGUMENTS = ('autostart', 'use_sim_time')
NODE_ARGUMENTS = (
    *('map', 'model', 'device', 'image_transport', 'mode'),
    *BOOLEAN_ARGUMENTS,
)

SHOWN_TOPICS = (
    *('keyframes', 'candidates', 'pose', 'markers'),
    *('match_image', 'match_image/compressed'),
)
"""Topics of the node in `config/vpr.rviz`, for images also the base topic, since it depends on the
version of image_transport which of the two is remapped."""


def arguments() -> list[DeclareLaunchArgument]:
    """The launch arguments in the order of `ros2 launch --show-args`."""
    return [
        _argument('map', '', 'map file' + KEEP),
        _argument('model', '', "weights file; default: the map's own network" + KEEP),
        _argument(
            'device',
            '',
            'device of the network' + KEEP,
            ['', 'cpu', 'cuda', *(f'cuda:{n}' for n in range(4))],
        ),
        _argument('image_topic', '/camera/image', 'base topic of the camera images'),
        _argument(
            'image_transport',
            '',
            'raw: image_topic itself; compressed: image_topic/compressed' + KEEP,
            ['', *CHOICES['image_transport']],
        ),
        _argument('camera_info', '', 'CameraInfo topic (empty: camera_info next to image_topic)'),
        _argument('odom', 'odom', 'Odometry topic'),
        _argument('fix', 'fix', 'NavSatFix topic'),
        _argument(
            'params_file', str(SHARE / 'config' / 'vpr.yaml'), 'YAML file with all parameters'
        ),
        _argument('namespace', '', 'namespace of the node'),
        _argument('use_sim_time', '', 'use the time on /clock' + KEEP, ['', *BOOLEAN]),
        _argument('rviz', 'false', "start RViz with this package's configuration", BOOLEAN),
        _argument('bag', '', 'bag to play (needs ros2 bag); the launch ends with the bag'),
        _argument('mode', '', 'mode of the node' + KEEP, ['', *CHOICES['mode']]),
        _argument('autostart', '', 'configure and activate at start' + KEEP, ['', *BOOLEAN]),
        _argument('log_level', 'info', "the node's log level", LOG_LEVELS),
    ]


def generate_launch_description() -> LaunchDescription:
    """The description for `ros2 launch ghost_vpr_ros vpr.launch.py`."""
    return LaunchDescription([*arguments(), *_large_images(), OpaqueFunction(function=_start)])


def _argument(
    name: str, default: str, description: str, choices: list[str] | None = None
) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(
        name, default_value=default, description=description, choices=choices
    )


def _large_images() -> list[SetEnvironmentVariable]:
    """Set the Fast DDS profile, unless the user has set one."""
    if any(variable in os.environ for variable in PROFILE_VARIABLES):
        return []
    profile = str(SHARE / 'config' / 'fastdds_large_images.xml')
    return [SetEnvironmentVariable(variable, profile) for variable in PROFILE_VARIABLES]


def _start(context: LaunchContext) -> list[Action]:
    values = {a.name: context.launch_configurations[a.name] for a in arguments()}
    values |= {name: expanded(values[name]) for name in PATHS}
    _check(values)
    actions: list[Action] = [_recognition_node(values)]
    if values['rviz'].lower() == 'true':
        actions.append(_rviz(values))
    if values['bag']:
        # --clock: with use_sim_time:=true the node uses the bag's time.
        play = ['ros2', 'bag', 'play', values['bag'], '--clock']
        actions.append(ExecuteProcess(cmd=play, output='screen', on_exit=Shutdown()))
    return actions


def _check(values: dict[str, str]) -> None:
    """Check the arguments before starting anything.

    Raises:
        RuntimeError: an argument cannot work; the message states the next step.
    """
    _check_parameters(Path(values['params_file']))
    if values['rviz'].lower() == 'true' and not _is_installed('rviz2'):
        raise RuntimeError(
            'rviz:=true needs the package rviz2, which is not installed; install it (apt install '
            'ros-$ROS_DISTRO-rviz2) or start without rviz'
        )
    if not values['bag']:
        return
    if not Path(values['bag']).exists():
        raise RuntimeError(f'bag:={values["bag"]} does not exist; check the path')
    if not _is_installed('ros2bag'):
        raise RuntimeError(
            'bag:=... needs the package ros2bag, which is not installed; install it (apt install '
            'ros-$ROS_DISTRO-ros2bag) or play the bag elsewhere'
        )


def _check_parameters(path: Path) -> None:
    """Refuse a missing or invalid file, which would end the node or be ignored."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise RuntimeError(f'params_file:={path} cannot be read ({reason})') from error
    nodes = content.values() if isinstance(content, dict) else ()
    if not any(isinstance(node, dict) and _has_parameters(node) for node in nodes):
        raise RuntimeError(
            f'params_file:={path}: expected parameters below `/**: ros__parameters:`, found none; '
            'begin with a copy of config/vpr.yaml'
        )


def _has_parameters(node: dict) -> bool:
    """Whether there is `ros__parameters` at this level, or below namespaces."""
    return 'ros__parameters' in node or any(
        isinstance(below, dict) and _has_parameters(below) for below in node.values()
    )


def _is_installed(package: str) -> bool:
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def _recognition_node(values: dict[str, str]) -> Node:
    namespace = values['namespace'].strip('/')
    logger = f'{namespace}/place_recognition'.strip('/').replace('/', '.')
    return Node(
        package='ghost_vpr_ros',
        executable='place_recognition',
        name='place_recognition',
        namespace=namespace,
        parameters=[values['params_file'], _parameters(values)],
        remappings=[
            ('image', values['image_topic']),
            ('camera_info', values['camera_info'] or _sibling(values['image_topic'])),
            ('odom', values['odom']),
            ('fix', values['fix']),
        ],
        ros_arguments=['--log-level', f'{logger}:={values["log_level"]}'],
        output='screen',
        emulate_tty=True,
        on_exit=Shutdown(reason='place_recognition ended'),
    )


def _sibling(image_topic: str) -> str:
    """The CameraInfo topic of a camera driver, next to its image topic."""
    folder, slash, _ = image_topic.rpartition('/')
    return f'{folder}{slash}camera_info'


def _parameters(values: dict[str, str]) -> dict[str, ParameterValue | bool]:
    """The given arguments, in the types of their parameters."""
    given = {name: values[name] for name in NODE_ARGUMENTS if values.get(name)}
    return {
        # Without a type, a map named 1 would become a number.
        name: value.lower() == 'true'
        if name in BOOLEAN_ARGUMENTS
        else ParameterValue(value, value_type=str)
        for name, value in given.items()
    }


def _rviz(values: dict[str, str]) -> Node:
    namespace = values['namespace'].strip('/')
    return Node(
        package='rviz2',
        executable='rviz2',
        name='rviz',
        namespace=namespace,
        arguments=['-d', str(SHARE / 'config' / 'vpr.rviz')],
        # If not given, the node's default also applies here.
        parameters=[values['params_file'], _parameters({'use_sim_time': values['use_sim_time']})],
        remappings=_rviz_topics(namespace),
    )


def _rviz_topics(namespace: str) -> list[tuple[str, str]]:
    """Remappings for a namespace, since the RViz configuration has topics without one."""
    if not namespace:
        return []
    topics = [f'/place_recognition/{name}' for name in SHOWN_TOPICS]
    return [(topic, f'/{namespace}{topic}') for topic in topics]
