"""The odometry's frame is found in the map although closures are wrong."""

import numpy as np
import pytest

from ghost_vpr_ros.core.poses import rotation_about_z
from ghost_vpr_ros.replay.pose_graph.graph import map_T_odometry
from test.replay.circles import circle


def test_yaw_and_offset_are_found_among_wrong_closures() -> None:
    odometry = circle(40, 50)[:, :3, 3]
    transform = rotation_about_z(2.5)
    transform[:3, 3] = 300.0, -80.0, 4.0
    places = odometry @ transform[:3, :3].T + transform[:3, 3]
    places[::3] += np.random.default_rng(0).normal(0, 200, places[::3].shape)
    found = map_T_odometry(odometry, places)
    assert found[:2, :2] == pytest.approx(transform[:2, :2], abs=1e-6)
    assert found[:2, 3] == pytest.approx(transform[:2, 3], abs=1e-3)


def test_a_single_closure_gives_the_offset() -> None:
    found = map_T_odometry(np.array([[1.0, 2, 3]]), np.array([[11.0, 22, 33]]))
    assert found[:3, 3].tolist() == [10, 20, 30]
