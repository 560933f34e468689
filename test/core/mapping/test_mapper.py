"""A robot that drives rounds keeps what is new and closes loops with what it kept."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.core.config.map import MapConfig, MappingConfig
from ghost_vpr_ros.core.datatypes import GeoPoint, Pose, Reason, State
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.mapping.mapper import PlaceMapper
from ghost_vpr_ros.core.poses import quaternion_to_yaw, yaw_to_quaternion
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from test.core.model.tiny_model import tiny_model
from test.core.rounds import (
    CONFIG,
    MAPPING,
    PLACES,
    SECOND,
    STEP_M,
    drive,
    image,
    on_circle,
    open_mapper,
    seen_along,
)
from test.core.scripted import ScriptedEngine


@pytest.fixture(scope='module')
def model():
    return tiny_model(images=16)


def test_frames_become_keyframes_by_the_way_driven(tmp_path, model):
    answers, keyframes = drive(tmp_path / 'a.map', model, range(20))
    assert [k.stamp_ns // SECOND - 1 for k in keyframes] == list(range(0, 20, 2))
    for keyframe in keyframes:
        expected = on_circle(keyframe.stamp_ns // SECOND - 1)
        np.testing.assert_allclose(keyframe.pose.position_m, expected.position_m, atol=1e-9)
    assert all(answer.state is not State.ACCEPTED for answer in answers)


def test_the_second_round_closes_loops_with_the_first(tmp_path, model):
    answers, _ = drive(tmp_path / 'a.map', model, range(2 * PLACES))
    second = answers[PLACES:]
    accepted = [n for n, answer in enumerate(second) if answer.state is State.ACCEPTED]
    assert len(accepted) > 0.6 * PLACES
    for number in accepted:
        found = second[number].candidates[0].keyframe
        away_m = np.linalg.norm(found.pose.position_m - on_circle(number).position_m)
        assert away_m < CONFIG.group_radius_m
        assert second[number].stamp_ns - found.stamp_ns > 15 * SECOND


def test_the_recent_past_is_no_candidate(tmp_path, model):
    answers, _ = drive(tmp_path / 'a.map', model, range(2 * PLACES))
    for number, answer in enumerate(answers):
        for candidate in answer.candidates:
            driven_m = STEP_M * (number + 1 - candidate.keyframe.stamp_ns / SECOND)
            assert driven_m >= 29.0
    assert answers[3].reason is Reason.EMPTY_MAP


def test_a_robot_that_stands_still_keeps_one_frame(tmp_path, model):
    _, keyframes = drive(tmp_path / 'a.map', model, [5] * 40)
    assert len(keyframes) == 1


def test_a_turn_on_the_spot_is_kept(tmp_path, model):
    def turning(place: float) -> Pose:
        return Pose(np.zeros(3), yaw_to_quaternion(0.3 * place))

    _, keyframes = drive(tmp_path / 'a.map', model, range(7), odometry=turning)
    assert [k.stamp_ns // SECOND - 1 for k in keyframes] == [0, 2, 4, 6]


def test_places_that_are_known_are_not_stored_again(tmp_path, model):
    thin = MappingConfig(**{**MAPPING.to_dict(), 'duplicate_similarity': 0.5})
    drive(tmp_path / 'all.map', model, range(2 * PLACES))
    drive(tmp_path / 'thin.map', model, range(2 * PLACES), mapping=thin)
    counts = [len(PlaceMap.open(tmp_path / name)) for name in ('all.map', 'thin.map')]
    assert counts[0] == PLACES
    assert counts[1] < 0.8 * counts[0]


def test_a_second_session_is_put_into_the_frame_of_the_first(tmp_path, model):
    path = tmp_path / 'a.map'
    drive(path, model, range(PLACES))
    away = (500.0, -80.0, 2.0)
    answers, keyframes = drive(
        path, model, range(PLACES), seed=5000, odometry=lambda place: on_circle(place, away)
    )
    assert [a.state for a in answers].count(State.ACCEPTED) > 0.6 * PLACES
    second = [k for k in keyframes if k.session == 'session-2']
    assert len(second) == PLACES // 2
    for keyframe in second:
        expected = on_circle(keyframe.stamp_ns // SECOND - 1)
        assert np.linalg.norm(keyframe.pose.position_m - expected.position_m) < 5.0
        turned = quaternion_to_yaw(keyframe.pose.quaternion_xyzw)
        assert math.cos(turned - quaternion_to_yaw(expected.quaternion_xyzw)) > 0.95
        assert (np.diag(keyframe.pose.covariance)[:2] > 0.0).all()


def test_a_session_that_recognises_nothing_has_no_place_yet(tmp_path, model):
    path = tmp_path / 'a.map'
    drive(path, model, range(40))
    _, keyframes = drive(path, model, range(60, 80), seed=5000)
    second = [k for k in keyframes if k.session == 'session-2']
    assert len(second) == 10
    assert all(k.pose is None for k in second)


def test_sessions_may_have_the_same_stamps(tmp_path, model):
    path = tmp_path / 'a.map'
    drive(path, model, range(PLACES))
    _, keyframes = drive(path, model, range(PLACES), seed=5000)
    stamps = [k.stamp_ns for k in keyframes]
    assert len(set(stamps)) == len(stamps) // 2
    assert len({k.keyframe_id for k in keyframes}) == len(stamps)


def test_after_a_jump_of_the_odometry_the_place_is_unknown_until_it_is_recognised(tmp_path, model):
    def jumping(place: float) -> Pose:
        return on_circle(place, (0.0, 0.0, 0.0) if place < 20 else (900.0, 0.0, 0.0))

    _, keyframes = drive(tmp_path / 'a.map', model, range(40), odometry=jumping)
    located = [k.pose is not None for k in keyframes]
    assert located == [True] * 10 + [False] * 10


def test_fixes_make_a_geotagged_map(tmp_path, model):
    def fix(place: float) -> GeoPoint:
        return GeoPoint(52.2 + 1e-5 * place, 0.1, 30.0)

    _, keyframes = drive(tmp_path / 'a.map', model, range(6), odometry=None, geo=fix)
    # Without odometry only what looks different is kept: here the first and what is far from it.
    assert keyframes[0].geo == fix(0)
    assert PlaceMap.open(tmp_path / 'a.map').map_frame == 'enu'


def test_a_blurred_frame_is_not_kept(tmp_path, model):
    places = list(range(0, 30, 2))
    script = seen_along(places)
    mapper = open_mapper(tmp_path / 'a.map', model, script)
    for number, place in enumerate(places):
        picture = image(number)
        if number == 12:
            picture = np.repeat(np.repeat(picture[::8, ::8], 8, axis=0), 8, axis=1)
        mapper.recognize(picture, (number + 1) * SECOND, on_circle(place))
    kept = [k.stamp_ns // SECOND - 1 for k in mapper.recognizer.place_map.keyframes()]
    assert kept == [n for n in range(15) if n != 12]


def test_a_mapper_keeps_the_cells_of_its_keyframes_where_it_is_told_to(tmp_path, model):
    script = seen_along(range(3))
    mapper = open_mapper(tmp_path / 'a.map', model, script, MAPPING, MapConfig(store_cells=True))
    mapper.recognizer._engine.feature_map = lambda pixels: np.ones((1, 4, 2, 3), np.float32)
    mapper.recognize(image(0), SECOND, on_circle(0))
    kept = mapper.recognizer.place_map.cells(1)
    assert kept.feature_map.shape == (4, 2, 3)
    mapper.recognizer.close()


def test_black_frames_are_answered_and_not_kept(tmp_path, model):
    mapper = open_mapper(tmp_path / 'a.map', model, seen_along([0]))
    black = np.zeros((48, 64, 3), np.uint8)
    answer = mapper.recognize(black, SECOND, on_circle(0))
    assert answer.reason is Reason.IMAGE_QUALITY
    assert len(mapper.recognizer.place_map) == 0


def test_a_map_that_is_open_for_reading_is_refused(tmp_path, model):
    path = tmp_path / 'a.map'
    drive(path, model, range(4))
    engine = ScriptedEngine(model.model_hash, seen_along([0]))
    reader = PlaceRecognizer(model, engine, PlaceMap.open(path), CONFIG)
    with pytest.raises(MapError, match='read-only'):
        PlaceMapper(reader, MAPPING, MapConfig())
