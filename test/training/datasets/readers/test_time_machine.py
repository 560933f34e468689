"""Time stamps as visits: what is a month apart, in every notation that occurs."""

import datetime

import numpy as np
import pytest

from ghost_vpr_ros.replay.places.place_set import NO_PLACE
from ghost_vpr_ros.replay.places.relations import are_apart
from test.replay.places.test_relations import place_set
from training.datasets.readers.time_machine import visits_of


def is_month_apart(first, second) -> bool:
    visits = visits_of([first, second])
    places = place_set([(0, 0), (0, 0)], [0], [1], visit=visits.numbers, visit_gap=visits.gap)
    return bool(are_apart(places, np.array([0]), np.array([1]))[0])


def datenum(year, month, day) -> float:
    """As MATLAB counts days: 730486 is the first of January 2000."""
    return 730486.0 + (datetime.date(year, month, day) - datetime.date(2000, 1, 1)).days


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        (201408, 201408, False),
        (201408, 201409, True),
        (201312, 201401, True),
        (201408, 201308, True),  # the same month of another year
        ('2014-08', '2014-08', False),
        ('2014-08', '2014-09', True),
        ('2014-01-15', '2014-02-14', False),
        ('2014-01-15', '2014-02-15', True),
        (20140115, 20140214, False),
        (20140115, 20140215, True),
        (datenum(2014, 1, 31), datenum(2014, 2, 28), False),
        (datenum(2014, 1, 15) + 0.75, datenum(2014, 2, 15), True),
        (201408, datenum(2014, 8, 1), False),
        (201408, float('nan'), True),  # not known: compared as in a set without time stamps
        (0, 0, True),
        ('summer', 'summer', False),  # no date: equal stamps are one visit
        ('summer', 'winter', True),
        (3.0, 4.0, True),
    ],
)
def test_a_month_apart(first, second, expected):
    assert is_month_apart(first, second) is expected
    assert is_month_apart(second, first) is expected


def test_stamps_are_nanoseconds_since_1970():
    visits = visits_of([datenum(2014, 8, 17), 201408, '', 196902])
    day = (datetime.date(2014, 8, 17) - datetime.date(1970, 1, 1)).days
    first = (datetime.date(2014, 8, 1) - datetime.date(1970, 1, 1)).days
    assert (visits.stamp_ns[:2] // (86_400 * 10**9)).tolist() == [day, first]
    assert visits.stamp_ns[2:].tolist() == [-1, -1]
    assert visits.numbers[2] == NO_PLACE != visits.numbers[3]
    assert visits.notation == 'a month apart'


def test_unknown_notations_are_said():
    assert visits_of(['a', 'b']).notation == 'equal stamps are one visit'
