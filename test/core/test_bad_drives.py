"""Mapping drives on which something fails: no wrong closure, no wrong place, nothing stuck."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.map import MapConfig, MappingConfig
from ghost_vpr_ros.core.datatypes import GeoPoint, Pose, Reason, State
from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.model.tiny_model import tiny_model
from test.core.rounds import (
    CONFIG,
    MAPPING,
    PLACES,
    SECOND,
    drive,
    image,
    looks,
    on_circle,
    open_mapper,
    seen_along,
)

FULL_PAGES = 15
"""Pages of the test's map at which its disk is full; the empty map has fewer."""


@pytest.fixture(scope='module')
def model():
    return tiny_model(images=16)


def place_of(keyframe) -> int:
    """Where a keyframe was seen, by the stamps of `drive`."""
    return keyframe.stamp_ns // SECOND - 1


def away_m(one: float, other: float) -> float:
    return float(np.linalg.norm(on_circle(one).position_m - on_circle(other).position_m))


def check_closures(answers) -> int:
    """How many there are; each one joins two images of one place."""
    closures = [answer.closure for answer in answers if answer.closure is not None]
    for closure in closures:
        query = closure.stamp_ns // SECOND - 1
        assert away_m(query, place_of(closure.keyframe)) < CONFIG.group_radius_m
    return len(closures)


def test_where_odometry_stops_the_place_is_unknown_and_the_past_goes_on_to_answer(tmp_path, model):
    answers, keyframes = drive(
        tmp_path / 'a.map',
        model,
        range(2 * PLACES),
        odometry=lambda place: on_circle(place) if place < 80 else None,
    )
    assert [k.pose is not None for k in keyframes] == [place_of(k) < 80 for k in keyframes]
    just_before = {place_of(k) for k in keyframes if 66 <= place_of(k) < 80}
    matched = {place_of(a.closure.keyframe) for a in answers if a.closure is not None}
    assert check_closures(answers) > 20
    assert just_before & matched


@pytest.mark.parametrize('quaternion', [[math.nan] * 4, [0.0] * 4, [0.0, 0.0, 0.0, 3.0]])
def test_odometry_without_a_rotation_is_no_odometry(tmp_path, model, quaternion):
    def odometry(place: float) -> Pose:
        pose = on_circle(place)
        return replace(pose, quaternion_xyzw=np.array(quaternion)) if place % 7 == 3 else pose

    answers, keyframes = drive(tmp_path / 'a.map', model, range(2 * PLACES), odometry=odometry)
    assert check_closures(answers) > 20
    for keyframe in keyframes:
        if place_of(keyframe) % 7 == 3:
            assert keyframe.pose is None
            continue
        expected = on_circle(place_of(keyframe)).position_m
        assert np.linalg.norm(keyframe.pose.position_m - expected) < 4.0


def test_odometry_that_jumps_at_every_frame_does_not_keep_every_frame(tmp_path, model):
    _, jumping = drive(
        tmp_path / 'jumping.map',
        model,
        range(60),
        odometry=lambda place: on_circle(place, (100.0 * place, 0.0, 0.0)),
    )
    _, without = drive(tmp_path / 'without.map', model, range(60), odometry=None)
    assert len(jumping) == len(without) < 30
    assert sum(k.pose is not None for k in jumping) <= 1


def test_a_jump_before_the_first_keyframe_does_not_leave_the_map_without_a_frame(tmp_path, model):
    mapper = open_mapper(tmp_path / 'a.map', model, seen_along(range(10)))
    black = np.zeros((48, 64, 3), np.uint8)
    mapper.recognize(black, SECOND, on_circle(0))
    for place in range(10):
        mapper.recognize(image(place), (place + 2) * SECOND, on_circle(place, (900.0, 0.0, 0.0)))
    assert mapper.recognizer.place_map.map_frame == 'local'
    assert all(k.pose is not None for k in mapper.recognizer.place_map.keyframes())


def test_odometry_that_comes_late_is_not_taken_for_the_frame_of_a_geotagged_map(tmp_path, model):
    _, keyframes = drive(
        tmp_path / 'a.map',
        model,
        range(40),
        odometry=lambda place: None if place < 4 else on_circle(place, (500.0, 0.0, 1.0)),
        geo=lambda place: GeoPoint(52.2 + 2e-5 * place, 0.1) if place < 20 else None,
    )
    assert [k.pose is not None for k in keyframes] == [place_of(k) < 20 for k in keyframes]
    assert all(k.pose is None or k.pose.quaternion_xyzw is None for k in keyframes)


def test_a_local_map_takes_no_place_from_a_fix(tmp_path, model):
    path = tmp_path / 'a.map'
    drive(path, model, range(20))
    _, keyframes = drive(
        path, model, range(60, 80), seed=5000, odometry=None, geo=lambda _: GeoPoint(52.2, 0.1)
    )
    second = [k for k in keyframes if k.session == 'session-2']
    assert second
    assert all(k.pose is None and k.geo is None for k in second)


@pytest.mark.parametrize('late_ns', [0, 5_000_000, 900_000_000])
def test_late_images_cost_nobody_his_place(tmp_path, model, late_ns):
    """Every tenth image has no stamp, or one that lies before the newest."""
    mapper = open_mapper(tmp_path / 'a.map', model, seen_along(range(2 * PLACES)))
    answers = []
    for place in range(2 * PLACES):
        stamp_ns = (place + 1) * SECOND
        if place % 10 == 9:
            stamp_ns = place * SECOND - late_ns if late_ns else 0
        answers.append(mapper.recognize(image(place), stamp_ns, on_circle(place)))
    keyframes = mapper.recognizer.place_map.keyframes()
    assert len(keyframes) > 0.8 * PLACES
    assert {k.session for k in keyframes} == {'session-1'}
    assert all(k.pose is not None for k in keyframes)
    assert check_closures([a for n, a in enumerate(answers) if n % 10 != 9]) > 0.4 * PLACES
    assert all(a.closure is None for n, a in enumerate(answers) if n % 10 == 9)


def test_where_the_stamps_run_back_another_session_begins(tmp_path, model):
    script = seen_along([*range(40), *range(40)])
    mapper = open_mapper(tmp_path / 'a.map', model, script)
    for number in range(80):
        place = number % 40
        mapper.recognize(image(number), (place + 1) * SECOND, on_circle(place))
    keyframes = mapper.recognizer.place_map.keyframes()
    names = [(k.session, k.stamp_ns) for k in keyframes]
    assert len(set(names)) == len(names)
    assert Counter(k.session for k in keyframes) == {'session-1': 20, 'session-2': 20}


def test_images_without_a_stamp_are_of_one_session(tmp_path, model):
    mapper = open_mapper(tmp_path / 'a.map', model, seen_along(range(0, 27, 3)))
    answers = [mapper.recognize(image(n), 0 if n % 3 else n * SECOND + 1) for n in range(9)]
    assert mapper.recognizer.place_map.session_names == ['session-1']
    assert all(answer.state is not State.ACCEPTED for answer in answers)


@pytest.mark.parametrize('cover', [lambda seen: np.zeros_like(seen), lambda _: image(3)])
def test_a_covered_or_a_frozen_camera_closes_no_loop_and_is_told(tmp_path, model, cover):
    mapper = open_mapper(tmp_path / 'a.map', model, seen_along(range(2 * PLACES)))
    answers = []
    for place in range(2 * PLACES):
        seen = cover(image(place)) if 120 <= place < 150 else image(place)
        answers.append(mapper.recognize(seen, (place + 1) * SECOND, on_circle(place)))
    told = [answer.reason is Reason.IMAGE_QUALITY for answer in answers]
    assert 28 <= sum(told) == sum(told[120:150])


def fill_disk(place_map: PlaceMap, pages: int) -> None:
    """Limit the pages of the map's file: more is a full disk."""
    place_map._connection.execute(f'PRAGMA max_page_count = {pages}')


def test_after_a_full_disk_is_freed_the_robot_goes_on_to_map(tmp_path, model):
    path = tmp_path / 'a.map'
    script = seen_along(range(2 * PLACES))
    # A minute: nothing is committed while the test drives, as with a slow commit timer.
    mapper = open_mapper(path, model, script, storage=MapConfig(commit_interval_s=60.0))
    place_map, failed, answers = mapper.recognizer.place_map, 0, []
    fill_disk(place_map, FULL_PAGES)
    for place in range(2 * PLACES):
        if place == 90:
            fill_disk(place_map, 1_000_000)
        try:
            seen = image(place)
            answers.append(mapper.recognize(seen, (place + 1) * SECOND, on_circle(place)))
        except OutputError as error:
            assert 'disk is full' in str(error)
            assert place < 90
            failed += 1
    assert failed > 5
    assert check_closures(answers) > 10
    mapper.recognizer.close()
    with PlaceMap.open(path) as again:
        kept = again.keyframes()
        assert {place_of(k) for k in kept} >= set(range(92, 2 * PLACES, 2))
        for keyframe, descriptor in zip(kept, again.descriptors(), strict=True):
            place = place_of(keyframe)
            np.testing.assert_array_equal(descriptor, looks(place, place))


def test_a_failed_save_is_no_reason_to_stop(tmp_path, model):
    script = seen_along(range(60))
    storage = MapConfig(commit_interval_s=60.0)
    mapper = open_mapper(tmp_path / 'a.map', model, script, storage=storage)
    place_map = mapper.recognizer.place_map
    for place in range(60):
        mapper.recognize(image(place), (place + 1) * SECOND, on_circle(place))
        if place == 8:
            place_map._connection.execute('ROLLBACK')
            place_map._writer._undo(place_map._connection.OperationalError('disk is full'))
    kept = {place_of(k) for k in place_map.keyframes()}
    assert kept == set(range(10, 60, 2))


def test_settings_may_change_at_every_frame(tmp_path, model):
    mapper = open_mapper(tmp_path / 'a.map', model, seen_along(range(2 * PLACES)))
    ways, answers = ('filter', 'sequence', 'none'), []
    for place in range(2 * PLACES):
        mapper.recognizer.config = replace(
            CONFIG, temporal=ways[place // 7 % 3], group_radius_m=6.0 + place % 2, verify=True
        )
        mapper.config = replace(MAPPING, duplicate_similarity=0.5 + 0.5 * (place % 2))
        answers.append(mapper.recognize(image(place), (place + 1) * SECOND, on_circle(place)))
    assert len(answers) == 2 * PLACES
    check_closures(answers)


def test_a_map_without_views_is_mapped_and_verified(tmp_path, model):
    answers, _ = drive(
        tmp_path / 'a.map',
        model,
        range(2 * PLACES),
        storage=MapConfig(view_width_px=0),
        config=replace(CONFIG, verify=True),
    )
    assert check_closures(answers) > 20


def test_a_reset_is_no_reason_to_lose_a_keyframe(tmp_path, model):
    mapper = open_mapper(tmp_path / 'a.map', model, seen_along(range(2 * PLACES)))
    answers = []
    for place in range(2 * PLACES):
        if place in (0, 50, 130):
            mapper.reset()
        answers.append(mapper.recognize(image(place), (place + 1) * SECOND, on_circle(place)))
    assert check_closures(answers) > 20
    kept = np.array([place_of(k) for k in mapper.recognizer.place_map.keyframes()])
    assert np.diff(kept).max() <= 4


def test_a_robot_that_stands_for_an_hour_fills_no_map(tmp_path, model):
    jitter = np.random.default_rng(1)
    still = on_circle(5)
    every = MappingConfig(**{**MAPPING.to_dict(), 'duplicate_similarity': 1.0})
    _, keyframes = drive(
        tmp_path / 'a.map',
        model,
        [5] * 1200,
        mapping=every,
        odometry=lambda _: Pose(
            still.position_m + jitter.normal(0, 1e-3, 3), still.quaternion_xyzw
        ),
    )
    assert len(keyframes) <= 3
