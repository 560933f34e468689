"""The way that was driven, and where it cannot be followed."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.recognition.odometry import Odometer

SECOND = 1_000_000_000


def read(odometer: Odometer, second: float, x_m: float | None):
    odometry = None if x_m is None else Pose(np.array([x_m, 0.0, 0.0]))
    return odometer.read(round(second * SECOND), odometry, max_speed_m_s=15.0)


def test_the_way_is_added_up_forward_and_backward():
    odometer = Odometer()
    found = [read(odometer, n, x_m).along_m for n, x_m in enumerate([0.0, 3.0, 5.0, 4.0])]
    assert found == [0.0, 3.0, 5.0, 6.0]


def test_a_gap_that_the_camera_can_have_driven_is_no_break():
    odometer = Odometer()
    first, gap, after = read(odometer, 0, 0.0), read(odometer, 1, None), read(odometer, 2, 20.0)
    assert first.stretch == gap.stretch == after.stretch
    assert gap.odometry is None
    assert after.along_m == 20.0


def test_a_jump_begins_a_new_stretch():
    odometer = Odometer()
    before, after = read(odometer, 0, 0.0), read(odometer, 1, 16.0)
    assert after.stretch == before.stretch + 1
    assert after.along_m == 0.0
    assert read(odometer, 2, 18.0).along_m == 2.0


def test_a_late_frame_changes_nothing():
    odometer = Odometer()
    before, late, after = read(odometer, 4, 0.0), odometer.elsewhen(3), read(odometer, 5, 1.0)
    assert (late.stretch, late.odometry) == (before.stretch, None)
    assert (after.stretch, after.along_m) == (before.stretch, 1.0)


@pytest.mark.parametrize('quaternion', [[0.0] * 4, [float('nan')] * 4, [0.0, 0.0, 0.0, 2.0]])
def test_an_orientation_that_is_no_rotation_is_none(quaternion):
    odometry = Pose(np.zeros(3), np.array(quaternion))
    assert Odometer().read(0, odometry, max_speed_m_s=15.0).odometry is None


def test_a_position_that_is_not_finite_is_none():
    assert read(Odometer(), 0, float('nan')).odometry is None
