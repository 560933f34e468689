"""Cells along the paths of small maps, worked by hand."""

import numpy as np
import pytest

from ghost_vpr_ros.core.recognition.sequence_matching import PathCells


def at(*x_m: float) -> np.ndarray:
    return np.column_stack([x_m, np.zeros(len(x_m)), np.zeros(len(x_m))])


def test_a_cell_is_held_by_the_nearest_keyframe() -> None:
    cells = PathCells.of(at(0.0, 1.0, 8.0, 12.0), ['walk'] * 4)
    assert cells.step_m == 3.0
    assert cells.rows.tolist() == [0, 1, 2, 2, 3]  # 0, 3, 6, 9 and 12 m.
    assert cells.first.tolist() == [0] * 5
    assert cells.last.tolist() == [4] * 5


@pytest.mark.parametrize(
    ('positions', 'sessions'),
    [(at(0.0, 4.0, 4.0, 8.0), ['a', 'a', 'b', 'b']), (at(0.0, 4.0, 90.0, 94.0), ['a'] * 4)],
    ids=['another session', 'a gap'],
)
def test_a_path_ends_where_the_next_begins(positions, sessions) -> None:
    cells = PathCells.of(positions, sessions)
    assert cells.step_m == 2.0
    assert cells.rows.tolist() == [0, 0, 1, 2, 2, 3]
    assert cells.first.tolist() == [0, 0, 0, 3, 3, 3]
    assert cells.last.tolist() == [2, 2, 2, 5, 5, 5]


def test_the_way_is_measured_over_the_ground_and_round_corners() -> None:
    corner = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 70.0], [3.0, 6.0, 0.0]])
    cells = PathCells.of(corner, ['walk'] * 3)
    assert cells.step_m == 3.0
    assert cells.rows.tolist() == [0, 1, 1, 2]  # 0, 3, 6 and 9 m; the third is a tie.


def test_keyframes_without_a_position_are_left_out() -> None:
    cells = PathCells.of(at(np.nan, 0.0, 2.0, np.nan, 4.0), ['walk'] * 5)
    assert set(cells.rows.tolist()) == {1, 2, 4}
    assert len(PathCells.of(at(np.nan, np.nan), ['walk'] * 2)) == 0


def test_keyframes_at_one_place_have_one_cell() -> None:
    cells = PathCells.of(at(7.0, 7.0, 7.0), ['walk'] * 3)
    assert (cells.rows.tolist(), cells.step_m) == ([0], 1.0)
