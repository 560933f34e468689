"""The adapters' executables: `python -m ghost_vpr_ros.ros.adapters.executable NAME`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rclpy.node import Node

from ghost_vpr_ros.ros.node_runner import run_node

# The nodes are imported late: SciPy and torch take seconds, in which a signal must already end
# the process well.


def make_initial_pose_adapter() -> Node:
    """Accepted poses to Nav2."""
    from ghost_vpr_ros.ros.adapters.initial_pose_node import InitialPoseAdapter

    return InitialPoseAdapter()


def make_pose_graph_adapter() -> Node:
    """Loop closures to Hydra."""
    from ghost_vpr_ros.ros.adapters.pose_graph_node import PoseGraphAdapter

    return PoseGraphAdapter()


def make_rtabmap_adapter() -> Node:
    """Loop closures to RTAB-Map."""
    from ghost_vpr_ros.ros.adapters.rtabmap_node import RtabmapAdapter

    return RtabmapAdapter()


def make_rtabmap_descriptor_adapter() -> Node:
    """Descriptors into the images that RTAB-Map gets."""
    from ghost_vpr_ros.ros.adapters.rtabmap_descriptor_node import RtabmapDescriptorAdapter

    return RtabmapDescriptorAdapter()


def make_map_transform_adapter() -> Node:
    """Accepted poses to TF."""
    from ghost_vpr_ros.ros.adapters.map_transform_node import MapTransformAdapter

    return MapTransformAdapter()


ADAPTERS: dict[str, Callable[[], Node]] = {
    'initial_pose_adapter': make_initial_pose_adapter,
    'map_transform_adapter': make_map_transform_adapter,
    'pose_graph_adapter': make_pose_graph_adapter,
    'rtabmap_adapter': make_rtabmap_adapter,
    'rtabmap_descriptor_adapter': make_rtabmap_descriptor_adapter,
}
"""By the name of the executable, which is also that of the node."""


def main(args: list[str] | None = None) -> int:
    """Run an adapter until Ctrl-C or SIGTERM; the exit status is 1 where it could not start.

    Args:
        args: the adapter's name, then the arguments of ROS.
    """
    name, *ros_args = sys.argv[1:] if args is None else args
    return run_node(name, lambda _: ADAPTERS[name](), ros_args)


if __name__ == '__main__':
    sys.exit(main())
