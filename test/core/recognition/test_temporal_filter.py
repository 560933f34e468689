"""The filter over a street of keyframes 2 m apart, heading east."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.recognition.keyframe_table import LocatedPlaces
from ghost_vpr_ros.core.recognition.odometry import Motion
from ghost_vpr_ros.core.recognition.temporal_filter import TemporalFilter
from test.core.scripted import candidate

CONFIG = RecognizerConfig(group_radius_m=5.0, match_spread_m=3.0)
LENGTH = 200


def street() -> TemporalFilter:
    positions = np.zeros((LENGTH, 3))
    positions[:, 0] = 2.0 * np.arange(LENGTH)
    return TemporalFilter(LocatedPlaces(positions, np.zeros(LENGTH)))


def at(x_m: float, probability: float):
    return candidate((x_m, 0.0, 0.0), probability)


def step(forward_m: float) -> Motion:
    return Motion(1.0, np.array([forward_m, 0.0]))


@pytest.mark.parametrize('alone', [0.2, 0.5, 0.9, 0.98])
def test_the_first_frame_is_judged_on_its_own(alone: float) -> None:
    places = street()
    assert places.update([at(100.0, alone)], None, CONFIG)[0].probability == alone
    again = places.update([at(100.0, alone)], step(0.0), CONFIG)[0]
    assert again.probability == pytest.approx(alone, abs=0.02)


def test_frames_that_agree_make_sure() -> None:
    places = street()
    probability = [
        places.update([at(100.0 + 2.0 * n, 0.7)], step(2.0) if n else None, CONFIG)[0].probability
        for n in range(6)
    ]
    assert probability[0] < 0.75
    assert probability[-1] > 0.97
    assert places.off_map < 0.03


def test_matches_all_over_the_map_make_nothing_sure() -> None:
    places = street()
    rng = np.random.default_rng(0)
    probability = [
        places.update([at(rng.integers(LENGTH) * 2.0, 0.6)], step(2.0), CONFIG)[0].probability
        for _ in range(30)
    ]
    assert np.median(probability) < 0.4
    assert max(probability) < 0.9


def test_one_wild_match_does_not_move_a_sure_belief() -> None:
    places = street()
    for n in range(8):
        places.update([at(100.0 + 2.0 * n, 0.9)], step(2.0) if n else None, CONFIG)
    found = places.update([at(300.0, 0.9), at(116.0, 0.1)], step(2.0), CONFIG)
    assert found[0].keyframe.pose.position_m[0] == 116.0
    assert found[0].probability > 0.5 > found[1].probability


def test_odometry_carries_the_belief_along_the_street() -> None:
    places = street()
    for n in range(5):
        places.update([at(100.0 + 2.0 * n, 0.9)], step(2.0) if n else None, CONFIG)
    found = places.update([at(148.0, 0.5), at(108.0, 0.5)], step(40.0), CONFIG)
    assert found[0].keyframe.pose.position_m[0] == 148.0
    assert found[0].probability > 0.8


@pytest.mark.parametrize('probability', [0.1, 0.6, 0.95])
def test_a_camera_that_stands_still_learns_nothing_and_forgets_nothing(probability) -> None:
    places = street()
    for n in range(5):
        moving = places.update([at(100.0 + 2.0 * n, 0.8)], step(2.0) if n else None, CONFIG)
    for _ in range(300):
        standing = places.update([at(108.0, probability)], step(0.01), CONFIG)
    assert standing[0].probability == moving[0].probability > 0.9


def test_without_odometry_the_belief_spreads_as_fast_as_the_camera_may_go() -> None:
    config = replace(CONFIG, max_speed_m_s=10.0)
    for reachable, x_m in ((True, 108.0), (False, 180.0)):
        places = street()
        for n in range(6):
            places.update([at(100.0, 0.9)], Motion(1.0) if n else None, config)
        found = places.update([at(x_m, 0.6)], Motion(1.0), config)
        assert (found[0].probability > 0.8) is reachable


def test_leaving_the_map_is_noticed_and_coming_back_too() -> None:
    places = street()
    for n in range(6):
        places.update([at(100.0 + 2.0 * n, 0.95)], step(2.0) if n else None, CONFIG)
    rng = np.random.default_rng(1)
    for _ in range(6):
        places.update([at(rng.integers(LENGTH) * 2.0, 0.05)], step(2.0), CONFIG)
    assert places.off_map > 0.9
    for n in range(6):
        found = places.update([at(300.0 + 2.0 * n, 0.95)], step(2.0), CONFIG)
    assert found[0].probability > 0.95


def test_frames_that_do_not_belong_together_are_forgotten() -> None:
    places = street()
    for n in range(6):
        places.update([at(100.0 + 2.0 * n, 0.95)], step(2.0) if n else None, CONFIG)
    fresh = street().update([at(300.0, 0.6)], None, CONFIG)[0].probability
    assert places.update([at(300.0, 0.6)], None, CONFIG)[0].probability == pytest.approx(fresh)


def test_what_cannot_be_told_stays_as_it_is() -> None:
    unknown = [candidate((np.nan, np.nan, np.nan), np.nan)]
    assert street().update(unknown, None, CONFIG) == tuple(unknown)
    empty = TemporalFilter(LocatedPlaces(np.full((3, 3), np.nan), np.full(3, np.nan)))
    assert empty.update([at(0.0, 0.9)], None, CONFIG)[0].probability == 0.9
    assert street().update([], None, CONFIG) == ()


def test_the_shares_always_sum_to_one() -> None:
    places = street()
    rng = np.random.default_rng(2)
    for n in range(100):
        places.update([at(rng.integers(LENGTH) * 2.0, rng.uniform())], step(2.0), CONFIG)
        belief = places._belief
        total = belief.mass.sum() + belief.anywhere + belief.off_map
        assert total == pytest.approx(1.0, abs=1e-9), n
        assert min(belief.mass.min(initial=0.0), belief.anywhere, belief.off_map) >= 0.0
