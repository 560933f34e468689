"""Which stamps are late, which are of a clock that was set back."""

import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS
from ghost_vpr_ros.core.stamps import Order, StampOrder

NEXT, LATE, JUMP, RETURN = Order.NEXT, Order.LATE, Order.JUMP, Order.RETURN


def placed(*seconds: float) -> list[Order]:
    order = StampOrder()
    return [order.place(round(s * 1e9)) for s in seconds]


@pytest.mark.parametrize('late_s', [100.095, 100.1, 99.11, 0.0])
def test_a_late_stamp_leaves_the_order_as_it_was(late_s: float) -> None:
    assert placed(100.0, 100.1, late_s, 100.2) == [NEXT, NEXT, LATE, NEXT]


def test_a_message_without_stamp_is_late() -> None:
    order = StampOrder()
    assert order.place(UNKNOWN_STAMP_NS) is LATE
    assert order.place(5) is NEXT


@pytest.mark.parametrize('again_s', [99.0, 5.0, 1e-9])
def test_time_that_is_set_back_by_a_second_starts_over(again_s: float) -> None:
    assert placed(99.9, 100.0, again_s, again_s + 0.1) == [NEXT, NEXT, JUMP, NEXT]


def test_a_loop_of_one_second_starts_over_each_time() -> None:
    assert placed(10.0, 11.0, 10.0, 11.0, 10.0) == [NEXT, NEXT, JUMP, NEXT, JUMP]


@pytest.mark.parametrize('ahead_s', [101.5, 105.0, 130.0, 1e6])
def test_one_stamp_ahead_does_not_start_over(ahead_s: float) -> None:
    assert placed(100.0, ahead_s, 100.1, 100.2) == [NEXT, NEXT, RETURN, NEXT]


def test_a_slow_camera_that_starts_over_is_seen() -> None:
    assert placed(10.0, 15.0, 20.0, 10.0, 15.0, 20.0, 10.0)[3::3] == [JUMP, JUMP]


def test_a_late_image_of_a_slow_camera_does_not_start_over() -> None:
    assert placed(10.0, 12.0, 14.0, 13.0, 16.0) == [NEXT, NEXT, NEXT, RETURN, NEXT]


def test_a_clock_that_was_set_forward_may_be_set_back() -> None:
    assert placed(100.0, 1e6, 1e6 + 1, 100.2) == [NEXT, NEXT, NEXT, JUMP]
