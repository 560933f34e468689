"""Checks of the positions of a source together."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Frame, GeoPoint, Pose
from ghost_vpr_ros.replay.sources.plausible_positions import (
    checked_positions,
    far_rows,
    some_of,
)


def frame(name: str, *metres: float, geo: GeoPoint | None = None) -> Frame:
    pose = Pose(np.array([*metres, 0.0])) if metres else None
    return Frame(name, lambda: np.zeros((2, 2, 3), np.uint8), geo=geo, pose=pose)


def test_zeros_far_from_all_others_are_not_known() -> None:
    frames = [frame('a', 0, 0), frame('b', 302_700, 5_787_000), frame('c')]
    kept, notes = checked_positions(frames)
    assert [each.pose is None for each in kept] == [True, False, True]
    assert notes == ['1 image (a): position 0, 0 means "not known"; position not taken']


@pytest.mark.parametrize('step', [1.0, 1e-4])
def test_positions_that_are_all_alike_may_be_degrees(step: float) -> None:
    notes = checked_positions([frame(str(n), 0.12, 52.2 + n * step) for n in range(4)])[1]
    assert bool(notes) == (step < 0.01)


def test_one_position_on_another_part_of_the_earth_is_told() -> None:
    points = [GeoPoint(-33.86 + n * 1e-4, 151.2) for n in range(9)]
    here = [frame(str(n), geo=point) for n, point in enumerate(points)]
    assert checked_positions(here)[1] == []
    (note,) = checked_positions([*here, frame('odd', geo=GeoPoint(33.86, 151.2))])[1]
    assert note.startswith('1 image (odd): more than 100 km from the others')


def test_cities_on_two_continents_are_no_mistake() -> None:
    cities = [GeoPoint(-33.86, 151.2), GeoPoint(52.2, 0.12)] * 4
    assert checked_positions([frame(str(n), geo=g) for n, g in enumerate(cities)])[1] == []


def test_names_are_shortened() -> None:
    assert some_of(['a']) == '1 image (a)'
    assert some_of(list('abcd')) == '4 images (a, b, c, ...)'


@pytest.mark.parametrize(('longitude', 'is_told'), [(157.2, True), (152.0, False)])
def test_a_neighbouring_utm_zone_is_far_from_one_town(longitude: float, is_told: bool) -> None:
    town = [frame(str(n), geo=GeoPoint(-33.86 + n * 1e-3, 151.2)) for n in range(9)]
    odd = frame('odd', geo=GeoPoint(-33.86, longitude))
    notes = checked_positions([*town, odd])[1]
    assert bool(notes) == is_told
    # Only what lies on another part of the Earth is left out of a map.
    assert far_rows([*town, odd]) == []


def test_of_a_wide_country_no_town_is_far() -> None:
    country = [frame(str(n), geo=GeoPoint(47.0 + 0.5 * n, 10.0)) for n in range(15)]
    assert checked_positions(country)[1] == []
