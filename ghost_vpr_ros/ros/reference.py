"""The page `docs/reference.md`, and `config/vpr.yaml` with every parameter; from the code.

python -m ghost_vpr_ros.ros.reference > docs/reference.md
python -m ghost_vpr_ros.ros.reference yaml > config/vpr.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ghost_vpr_ros.core.config.settings import Setting, settings_of
from ghost_vpr_ros.ros.parameters import CONFIG_TYPES

_IMAGE = 'sensor_msgs/msg/Image'
_COMPRESSED = 'sensor_msgs/msg/CompressedImage'
_POSE = 'geometry_msgs/msg/PoseWithCovarianceStamped'
_TRIGGER = 'std_srvs/srv/Trigger'


@dataclass(frozen=True)
class Interface:
    """A topic or service of the node: its name before remapping, its type, what it is for."""

    name: str
    type: str
    help: str


SUBSCRIBED = (
    Interface(
        'image', _IMAGE, 'with `image_transport: raw`; best effort, depth 1, QoS overridable'
    ),
    Interface('image/compressed', _COMPRESSED, 'with `image_transport: compressed`; the same'),
    Interface(
        'odom',
        'nav_msgs/msg/Odometry',
        "optional: pose of the camera's body in the odometry's frame. It moves the belief between "
        'two frames, checks answers against each other and measures distance while mapping; the '
        "last one at or before an image's stamp counts, at most `max_odometry_age_s` old",
    ),
    Interface(
        'camera_info',
        'sensor_msgs/msg/CameraInfo',
        'optional: intrinsics for the geometric verification; without it a view angle of 70 '
        'degrees is assumed, with a larger covariance',
    ),
    Interface(
        'fix',
        'sensor_msgs/msg/NavSatFix',
        'optional: geotags new keyframes; in mode `localize` with `prior_radius_m` it restricts '
        'the search; used up to `max_fix_age_s`',
    ),
)
PUBLISHED = (
    Interface(
        '~/status',
        'diagnostic_msgs/msg/DiagnosticStatus',
        'every frame: state, reason, the threshold (`min_probability`) and what is `missing` to '
        'it, best candidate, map revision, latency',
    ),
    Interface(
        '~/candidates',
        'sensor_msgs/msg/PointCloud2',
        'every frame: the top K with position, similarity, probability, keyframe id, session, '
        'stamp, inliers',
    ),
    Interface('~/pose', _POSE, 'accepted answers only, in `map_frame`'),
    Interface(
        '~/fix',
        'sensor_msgs/msg/NavSatFix',
        'accepted answers only, geotagged maps; covariance type KNOWN',
    ),
    Interface(
        '~/loop_closure',
        _POSE,
        'accepted answers that add information: pose of the query camera (stamp) in the frame '
        'of the keyframe; `frame_id` is `keyframe/<session>/<stamp_ns>`',
    ),
    Interface(
        '~/keyframes',
        'nav_msgs/msg/Path',
        "transient local: the map's keyframes, at most 20,000 spread evenly; again while it "
        'grows, at most once a second',
    ),
    Interface('~/markers', 'visualization_msgs/msg/MarkerArray', 'only for subscribers'),
    Interface('~/match_image/compressed', _COMPRESSED, 'query and match; only for subscribers'),
    Interface(
        '/diagnostics',
        'diagnostic_msgs/msg/DiagnosticArray',
        'rates, latency p50 and p95, dropped frames, memory, answers by reason; what is wrong and '
        'what to do about it',
    ),
)
SERVICES = (
    Interface('~/localize', _TRIGGER, 'waits for fresh frames, and succeeds only if they agree'),
    Interface('~/reset', _TRIGGER, 'forgets the answers before'),
    Interface('~/enable', 'std_srvs/srv/SetBool', 'pauses, and goes on'),
    Interface(
        '~/save_map',
        _TRIGGER,
        'puts a growing map on the disk now, and with `export` the closures, too',
    ),
)

_HEAD = """# Parameters, topics and services

Made from the code by `python -m ghost_vpr_ros.ros.reference`; a test compares them. What they do
together: [the node](node.md).
"""
_GROUPS = {
    'NodeConfig': 'The node',
    'EngineConfig': 'What runs the network',
    'RecognizerConfig': 'From image to answer',
    'MappingConfig': 'While mapping',
    'MapConfig': 'The map file',
    'ExportConfig': 'Closures for other programs',
}


def reference_page() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD]
    for heading, rows in (
        ('Subscribed topics', SUBSCRIBED),
        ('Published topics', PUBLISHED),
        ('Services', SERVICES),
    ):
        parts += [f'## {heading}\n', _table(('name', 'type', 'what'), map(_interface, rows))]
    parts.append('## Parameters\n')
    parts.append(
        'Those marked *r* change while the node runs, the others while it is unconfigured.\n'
    )
    header = ('name', 'default', 'allowed', 'what')
    for config_type in CONFIG_TYPES:
        parts.append(f'### {_GROUPS[config_type.__name__]}\n')
        parts.append(_table(header, map(_parameter, settings_of(config_type))))
    return '\n'.join(parts)


def default_yaml() -> str:
    """The text of `config/vpr.yaml`: every parameter with its default and description."""
    lines = ['# Every parameter with its default; made from the configuration dataclasses.']
    lines += ['/**:', '  ros__parameters:']
    for config_type in CONFIG_TYPES:
        for item in settings_of(config_type):
            allowed = f'{"one of " if item.choices else ""}{_allowed(item)}'
            comment = f'{item.help} ({allowed})' if allowed else item.help
            lines += [f'    # {comment}', f'    {item.name}: {_yaml_value(item.default)}']
    return '\n'.join(lines) + '\n'


def _allowed(item: Setting) -> str:
    """The choices or the range of a parameter; empty where it has neither."""
    if item.choices:
        return ', '.join(map(str, item.choices))
    return '' if item.low is None else item.range_text()


def _yaml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def _interface(row: Interface) -> tuple[str, ...]:
    return f'`{row.name}`', row.type.replace('/msg/', '/').replace('/srv/', '/'), row.help


def _parameter(item: Setting) -> tuple[str, ...]:
    default = ' '.join(map(str, item.default)) if isinstance(item.default, tuple) else item.default
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    name = f'`{item.name}`' + (' *r*' if item.runtime else '')
    return name, f'`{shown}`' if shown else 'empty', _allowed(item), item.help


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple('---' for _ in header), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |'.replace('|  |', '| |') for cells in lines) + '\n'


if __name__ == '__main__':
    sys.stdout.write(default_yaml() if 'yaml' in sys.argv else reference_page())
