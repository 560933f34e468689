"""Message packages of other projects, imported only when an adapter starts."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from ghost_vpr_ros.core.errors import GhostVprError

RTABMAP = 'rtabmap_msgs'
POSE_GRAPH_TOOLS = 'pose_graph_tools_msgs'
TF = 'tf2_msgs'

_WAYS_TO_INSTALL = {
    RTABMAP: 'apt install ros-{distro}-rtabmap-msgs',
    TF: 'apt install ros-{distro}-tf2-msgs',
    POSE_GRAPH_TOOLS: 'put the ROS 2 branch of https://github.com/MIT-SPARK/pose_graph_tools into '
    'the src folder of your workspace and run colcon build --packages-select '
    'pose_graph_tools_msgs',
}


class MessagePackageError(GhostVprError):
    """The message package of a SLAM system is not installed."""


def load_interfaces(package: str, kind: str) -> ModuleType:
    """The module `package.kind` with the package's message or service classes.

    Args:
        package: one of those above.
        kind: `msg` or `srv`.

    Raises:
        MessagePackageError: the package is not installed; names the command to install it.
    """
    try:
        return importlib.import_module(f'{package}.{kind}')
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        distro = os.environ.get('ROS_DISTRO', '$ROS_DISTRO')
        way = _WAYS_TO_INSTALL[package].format(distro=distro)
        raise MessagePackageError(
            f'this adapter needs the message package {package}, which is not installed; {way}'
        ) from error
