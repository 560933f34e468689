import numpy as np
import pytest

from ghost_vpr_ros.core.config import RecognizerConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Pose
from ghost_vpr_ros.core.geodesy import yaw_to_quaternion
from ghost_vpr_ros.core.motion import Motion, motion_between

CONFIG = RecognizerConfig(max_speed_m_s=10.0, memory_s=5.0)
SECOND = 1_000_000_000


def odometry(x_m: float, y_m: float, yaw_rad: float = 0.0) -> Pose:
    return Pose(np.array([x_m, y_m, 0.0]), yaw_to_quaternion(yaw_rad))


def test_the_step_is_in_the_body_frame_of_the_first_pose() -> None:
    before, now = odometry(10.0, 20.0, np.pi / 2), odometry(9.0, 23.0)
    motion = motion_between(0, SECOND, before, now, CONFIG)
    assert motion.seconds == 1.0
    np.testing.assert_allclose(motion.forward_left_m, [3.0, 1.0], atol=1e-9)


def test_a_keyframe_is_moved_along_its_own_heading() -> None:
    motion = Motion(1.0, np.array([3.0, 1.0]))
    points, reach_m = motion.targets(np.array([[5.0, 5.0]]), np.array([np.pi]), CONFIG)
    np.testing.assert_allclose(points, [[2.0, 4.0]], atol=1e-9)
    travelled_m = np.hypot(3.0, 1.0)
    assert reach_m == pytest.approx(CONFIG.match_spread_m + CONFIG.odometry_error * travelled_m)


def test_a_keyframe_without_heading_may_be_left_in_any_direction() -> None:
    motion = Motion(1.0, np.array([3.0, 4.0]))
    points, reach_m = motion.targets(np.zeros((1, 2)), np.array([np.nan]), CONFIG)
    assert reach_m == pytest.approx(CONFIG.match_spread_m + 5.0)
    np.testing.assert_array_equal(points, np.zeros((1, 2)))


@pytest.mark.parametrize(
    ('before_ns', 'now_ns'),
    [
        (UNKNOWN_STAMP_NS, SECOND),
        (SECOND, UNKNOWN_STAMP_NS),
        (SECOND, SECOND),
        (2 * SECOND, SECOND),
        (0, 6 * SECOND),
    ],
)
def test_frames_without_order_do_not_belong_together(before_ns: int, now_ns: int) -> None:
    assert motion_between(before_ns, now_ns, None, None, CONFIG) is None


@pytest.mark.parametrize(
    ('before', 'now'),
    [
        (None, odometry(0.0, 0.0)),
        (odometry(0.0, 0.0), None),
        (odometry(0.0, 0.0), odometry(11.0, 0.0)),
        (odometry(0.0, 0.0), odometry(np.nan, 0.0)),
        (Pose(np.zeros(3)), odometry(1.0, 0.0)),
    ],
)
def test_absent_and_impossible_odometry_is_not_used(before: Pose, now: Pose) -> None:
    assert motion_between(0, SECOND, before, now, CONFIG) == Motion(1.0)


def test_a_frame_counts_by_distance_with_odometry_and_by_time_without() -> None:
    config = RecognizerConfig(evidence_distance_m=2.0, evidence_interval_s=0.5)
    assert Motion(0.1, np.array([1.0, 0.0])).independence(config) == pytest.approx(0.5)
    assert Motion(0.1).independence(config) == pytest.approx(0.2)
    assert Motion(60.0, np.array([0.0, 0.0])).independence(config) == 0.0
    assert Motion(60.0).independence(config) == 1.0
