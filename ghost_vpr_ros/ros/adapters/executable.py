"""The adapters' executables: `python -m ghost_vpr_ros.ros.adapters.executable NAME`."""

from __future__ import annotations

import sys
from importlib import import_module

from rclpy.node import Node

from ghost_vpr_ros.ros.node_runner import run_node

ADAPTERS = {
    'initial_pose_adapter': ('initial_pose_node', 'InitialPoseAdapter'),
    'map_transform_adapter': ('map_transform_node', 'MapTransformAdapter'),
    'pose_graph_adapter': ('pose_graph_node', 'PoseGraphAdapter'),
    'rtabmap_adapter': ('rtabmap_node', 'RtabmapAdapter'),
    'rtabmap_descriptor_adapter': ('rtabmap_descriptor_node', 'RtabmapDescriptorAdapter'),
}
"""Module and class by the name of the executable, which is also that of the node."""


def make_adapter(name: str) -> Node:
    """The node of an adapter.

    It is imported late: SciPy and torch take seconds, in which a signal must already end the
    process well.
    """
    module, kind = ADAPTERS[name]
    node: Node = getattr(import_module(f'ghost_vpr_ros.ros.adapters.{module}'), kind)()
    return node


def main(args: list[str] | None = None) -> int:
    """Run an adapter until Ctrl-C or SIGTERM; the exit status is 1 where it could not start.

    Args:
        args: the adapter's name, then the arguments of ROS.
    """
    name, *ros_args = sys.argv[1:] if args is None else args
    return run_node(name, lambda _: make_adapter(name), ros_args)


if __name__ == '__main__':
    sys.exit(main())
