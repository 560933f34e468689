"""Average precision against areas worked by hand."""

import math

import pytest

from training.measure.average_precision import average_precision, mean_average_precision


def test_trapezoids_by_hand() -> None:
    # Right, wrong, right: (1 + 1) / 2 and (1/2 + 2/3) / 2, over two positives.
    assert average_precision([7, 3, 9], {7, 9}) == pytest.approx((1.0 + 7 / 12) / 2)
    # Wrong first: (0 + 1/2) / 2.
    assert average_precision([3, 7], {7}) == pytest.approx(0.25)
    assert average_precision([7, 9, 3], {7, 9}) == 1.0


def test_junk_is_as_if_it_were_not_there() -> None:
    plain = average_precision([7, 3, 9], {7, 9})
    assert average_precision([1, 7, 2, 3, 1, 9], {7, 9}, {1, 2}) == plain
    # The query itself in the first place, as Holidays has it.
    assert average_precision([0, 7, 3, 9], {7, 9}, {0}) == plain


def test_positives_that_are_never_found_count() -> None:
    assert average_precision([7], {7, 8, 9, 10}) == 0.25
    assert average_precision([], {7}) == 0.0


def test_a_query_without_positives_is_refused() -> None:
    with pytest.raises(ValueError, match='without a positive'):
        average_precision([1, 2], set())


def test_the_mean_is_in_percent() -> None:
    assert mean_average_precision([1.0, 0.25]) == 62.5
    assert math.isnan(mean_average_precision([]))
