"""Margins that samples find by searching, against a map that is compared with itself."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.probability.likelihood import learn_likelihood
from ghost_vpr_ros.core.recognition import map_likelihood
from ghost_vpr_ros.core.recognition.known_places import KnownPlaces
from ghost_vpr_ros.core.recognition.map_likelihood import Lesson, MapTeacher
from test.core.map_making import new_map

DIM, ROWS, RADIUS_M = 64, 240, 12.0


def street() -> tuple[np.ndarray, np.ndarray]:
    """Descriptors (240, 64) that change slowly along a street, and positions; some unknown."""
    along_m = 3.0 * np.arange(ROWS)
    positions = np.column_stack([along_m, np.zeros(ROWS), np.zeros(ROWS)])
    rng = np.random.default_rng(1)
    waves = np.cos(positions @ rng.normal(0.0, 0.05, (3, DIM)) + rng.uniform(0.0, 6.3, DIM))
    rows = waves + 0.1 * rng.standard_normal((ROWS, DIM))
    positions[5::17] = np.nan
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), positions


@pytest.fixture
def place_map(tmp_path):
    with new_map(tmp_path / 'street.map', dim=DIM) as made:
        made.add_session('walk')
        for row, position_m in zip(*street(), strict=True):
            pose = Pose(position_m) if np.isfinite(position_m).all() else None
            made.add('walk', 0, row, pose=pose)
        yield made


def assert_same(found, expected) -> None:
    for name in ('right_margin', 'wrong_margin', 'deviation', 'right_similarity'):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-6)


@pytest.mark.parametrize('first_depth', [2, 64])
def test_searches_find_the_margins_that_comparing_all_finds(place_map, monkeypatch, first_depth):
    monkeypatch.setattr(map_likelihood, '_FIRST_DEPTH', first_depth)
    lesson = Lesson(KnownPlaces(place_map), RADIUS_M)
    assert lesson.go_on(ROWS)
    expected = learn_likelihood(*street(), RADIUS_M)
    assert expected is not None
    assert_same(lesson.learned(), expected)


def test_an_approximate_index_teaches_nearly_the_same(place_map):
    lesson = Lesson(KnownPlaces(place_map, 'approximate'), RADIUS_M)
    lesson.go_on(ROWS)
    found, expected = lesson.learned(), learn_likelihood(*street(), RADIUS_M)
    assert found.right_margin == pytest.approx(expected.right_margin, abs=2e-3)
    assert found.wrong_margin == pytest.approx(expected.wrong_margin, abs=2e-3)


def test_a_lesson_in_steps_is_a_lesson(place_map):
    places = KnownPlaces(place_map)
    lesson = Lesson(places, RADIUS_M)
    steps = 1
    while not lesson.go_on(7):
        steps += 1
    assert steps == -(-len(places.located) // 7)
    assert_same(lesson.learned(), learn_likelihood(*street(), RADIUS_M))


def test_a_small_map_is_compared_with_itself_to_the_last_bit(place_map):
    teacher = MapTeacher(place_map, KnownPlaces(place_map))
    teacher.learn(RADIUS_M)
    assert teacher.likelihood == learn_likelihood(*street(), RADIUS_M)


def test_a_large_map_that_grows_is_learned_a_few_samples_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(map_likelihood, 'MOST_AT_ONCE', 10)
    descriptors = street()[0]
    positions = np.outer(3.0 * np.arange(ROWS), (1.0, 0.0, 0.0))
    with new_map(tmp_path / 'town.map', dim=DIM) as place_map:
        place_map.add_session('walk')
        for number in range(100):
            place_map.add('walk', 0, descriptors[number], pose=Pose(positions[number]))
        places = KnownPlaces(place_map)
        teacher = MapTeacher(place_map, places)
        teacher.learn(RADIUS_M)
        seen, first = [], teacher.likelihood
        for number in range(100, 160):
            keyframe_id = place_map.add(
                'walk', 0, descriptors[number], pose=Pose(positions[number])
            )
            places.add(place_map.keyframe(keyframe_id), descriptors[number])
            teacher.follow(RADIUS_M)
            seen.append(teacher.likelihood)
    # At 120 keyframes it begins; four samples a step, so the thirtieth step of it is the last.
    changed = [number for number in range(1, 60) if seen[number] != seen[number - 1]]
    assert seen[0] == first is not None
    assert changed == [19 + 29]


def test_a_map_without_positions_teaches_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(map_likelihood, 'MOST_COMPARED', -1)
    with new_map(tmp_path / 'town.map', dim=DIM) as place_map:
        place_map.add_session('walk')
        for row in street()[0][:20]:
            place_map.add('walk', 0, row)
    with PlaceMap.open(tmp_path / 'town.map') as place_map:
        teacher = MapTeacher(place_map, KnownPlaces(place_map))
        teacher.learn(RADIUS_M)
    assert teacher.likelihood is None
