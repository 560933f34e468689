import numpy as np

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.recognition.odometry import StampedMemory

SECOND = 1_000_000_000


def filled(*stamps_ns: int, kept: int | None = None) -> StampedMemory:
    memory = StampedMemory(kept)
    for stamp_ns in stamps_ns:
        memory.add(stamp_ns, Pose(np.array([float(stamp_ns), 0.0, 0.0])))
    return memory


def x_at(memory: StampedMemory, stamp_ns: int, max_age_s: float = 1e-6) -> float | None:
    pose = memory.at(stamp_ns, max_age_s)
    return None if pose is None else float(pose.position_m[0])


def test_the_last_pose_at_or_before_a_frame_is_its_odometry() -> None:
    memory = filled(100, 200, 300)
    assert [x_at(memory, stamp_ns) for stamp_ns in (100, 199, 200, 301)] == [100, 100, 200, 300]


def test_there_is_none_before_the_first_and_none_that_is_too_old() -> None:
    memory = filled(1000)
    assert [x_at(memory, n, 1e-7) for n in (999, 1100, 1101)] == [None, 1000, None]
    assert x_at(filled(), 5) is None


def test_time_that_jumps_back_starts_over() -> None:
    memory = filled(5 * SECOND, 6 * SECOND, 5 * SECOND, 5 * SECOND + 10)
    assert x_at(memory, 5 * SECOND + 9) == 5 * SECOND
    assert x_at(memory, 6 * SECOND) is None


def test_a_late_value_is_not_taken_and_costs_no_other() -> None:
    memory = filled(SECOND, SECOND + 300, SECOND + 100, 0, SECOND + 300, SECOND + 400)
    found = [x_at(memory, SECOND + after_ns) for after_ns in (100, 300, 400)]
    assert found == [SECOND, SECOND + 300, SECOND + 400]


def test_one_value_that_leapt_ahead_is_forgotten() -> None:
    memory = filled(SECOND, 90 * SECOND, SECOND + 100)
    assert x_at(memory, SECOND + 50) == SECOND
    assert x_at(memory, 90 * SECOND) is None


def test_only_the_newest_poses_are_kept() -> None:
    memory = filled(*range(0, 6000, 10), kept=100)
    assert x_at(memory, 4999) is None
    assert x_at(memory, 5000) == 5000
    assert x_at(filled(*range(0, 6000, 10)), 4999) == 4990
