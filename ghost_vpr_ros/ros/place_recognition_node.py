"""Executable `place_recognition`: runs the lifecycle node until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import sys

from ghost_vpr_ros.ros.node_runner import (
    StopRequest,
    end_ros,
    made_node,
    spin_until_stopped,
    start_ros,
)

OPENMP_DEFAULTS = {'OMP_NUM_THREADS': str(max(1, (os.cpu_count() or 1) // 2))}
"""The network gets half of the cores, because camera, transport and SLAM need some as well, and
one thread that waits for a core delays all others. A value in the environment takes precedence."""


def main(args: list[str] | None = None) -> int:
    """Run the node; the exit status is 1 where it could not start, 0 after a signal."""
    stop = StopRequest()
    start_ros(args, stop)
    for name, value in OPENMP_DEFAULTS.items():
        os.environ.setdefault(name, value)
    with stop.at_once():
        # Imported late: torch takes seconds, and reads the number of threads.
        from ghost_vpr_ros.ros.lifecycle_node import NODE_NAME, PlaceRecognitionNode

        node = made_node(NODE_NAME, PlaceRecognitionNode)
        if node is None:
            return 1
        failed = node.parameters.node.autostart and not node.start()
    exit_status = 1 if failed else spin_until_stopped(node, stop)
    node.stop()
    end_ros(node)
    return exit_status


if __name__ == '__main__':
    sys.exit(main())
