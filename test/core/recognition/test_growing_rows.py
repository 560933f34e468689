"""Rows that are appended one by one, against a plain list."""

import numpy as np

from ghost_vpr_ros.core.recognition.keyframe_table import GrowingRows


def test_it_holds_what_was_appended_in_order_and_type():
    grown = GrowingRows(np.array([[1.0, 2.0]], np.float32))
    wanted = [[1.0, 2.0]] + [[float(n), -float(n)] for n in range(700)]
    numbers = [grown.append(row) for row in wanted[1:]]
    assert numbers == list(range(1, 701))
    assert len(grown) == 701
    assert grown.rows.dtype == np.float32
    np.testing.assert_array_equal(grown.rows, np.array(wanted, np.float32))


def test_a_row_can_be_changed_in_place_and_the_first_array_is_left_alone():
    first = np.zeros(3)
    grown = GrowingRows(first)
    grown.rows[1] = 5.0
    assert grown.rows.tolist() == [0.0, 5.0, 0.0]
    assert first.tolist() == [0.0, 0.0, 0.0]


def test_it_can_begin_with_nothing():
    grown = GrowingRows(np.empty((0, 3)))
    assert grown.rows.shape == (0, 3)
    grown.append([1.0, 2.0, 3.0])
    assert grown.rows.tolist() == [[1.0, 2.0, 3.0]]
