import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Pose
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.recognition.odometry import FrameSequence, Motion

CONFIG = RecognizerConfig(
    max_speed_m_s=10.0, memory_s=5.0, evidence_distance_m=2.0, evidence_interval_s=0.5
)
SECOND = 1_000_000_000


def odometry(x_m: float, y_m: float, yaw_rad: float = 0.0) -> Pose:
    return Pose(np.array([x_m, y_m, 0.0]), yaw_to_quaternion(yaw_rad))


def follow(*frames: tuple[int, Pose | None]) -> list[Motion | None]:
    sequence = FrameSequence()
    return [sequence.motion_to(stamp_ns, odometry, CONFIG) for stamp_ns, odometry in frames]


def test_the_step_is_in_the_body_frame_of_the_first_pose() -> None:
    before, now = odometry(10.0, 20.0, np.pi / 2), odometry(9.0, 23.0)
    first, motion = follow((0, before), (SECOND, now))
    assert first is None and motion is not None
    assert motion.seconds == 1.0
    np.testing.assert_allclose(motion.forward_left_m, [3.0, 1.0], atol=1e-9)


def test_motion_adds_up_until_a_frame_counts() -> None:
    steps = [(n * SECOND, odometry(0.5 * n, 0.0)) for n in range(6)]
    found = [motion for motion in follow(*steps) if motion is not None]
    assert [float(m.forward_left_m[0]) for m in found] == [0.5, 1.0, 1.5, 2.0, 0.5]
    assert [m.repeats(CONFIG) for m in found] == [True, True, True, False, True]


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
    assert follow((before_ns, None), (now_ns, None)) == [None, None]


def test_a_camera_that_stands_for_long_is_not_forgotten() -> None:
    stands = [(n * SECOND, odometry(0.0, 0.0)) for n in range(20)]
    assert None not in follow(*stands)[1:]


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
    assert follow((0, before), (SECOND, now)) == [None, Motion(1.0)]


def test_a_frame_counts_by_distance_with_odometry_and_by_time_without() -> None:
    assert Motion(60.0, np.array([1.9, 0.0])).repeats(CONFIG)
    assert not Motion(0.01, np.array([2.1, 0.0])).repeats(CONFIG)
    assert Motion(0.4).repeats(CONFIG)
    assert not Motion(0.6).repeats(CONFIG)
