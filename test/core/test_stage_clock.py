"""The clock of the stages."""

import time

import pytest

from ghost_vpr_ros.core.recognizer import StageClock


def test_each_stage_is_timed_in_milliseconds_under_its_name():
    clock = StageClock()
    with clock('sleep'):
        time.sleep(0.02)
    with clock('nothing'):
        pass
    assert list(clock.stage_ms) == ['sleep', 'nothing']
    assert clock.stage_ms['sleep'] >= 19.0
    assert 0.0 <= clock.stage_ms['nothing'] < clock.stage_ms['sleep']


def test_the_parts_of_a_stage_add_up():
    clock = StageClock()
    for _ in range(3):
        with clock('sleep'):
            time.sleep(0.01)
    assert clock.stage_ms['sleep'] >= 29.0


def test_a_stage_that_failed_has_no_time():
    clock = StageClock()
    with pytest.raises(KeyError), clock('broken'):
        raise KeyError
    assert clock.stage_ms == {}
