from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.recognition.pose_estimate import rival_of, weighed_by_geometry
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate
from test.core.scripted import candidate


def checked(x_m: float, probability: float, ratio: float, inliers: int = 20) -> VerifiedCandidate:
    found = replace(candidate((x_m, 0.0, 0.0), probability), inliers=inliers)
    return VerifiedCandidate(found, likelihood_ratio=ratio)


def test_the_odds_of_the_place_are_multiplied() -> None:
    best, near, far = weighed_by_geometry(
        [checked(0.0, 0.5, 9.0), checked(3.0, 0.2, 1.0), checked(500.0, 0.2, 9.0, inliers=5)], 25.0
    )
    assert best.probability == best.by_itself == pytest.approx(0.9)
    assert near.probability == pytest.approx(0.25 * 9.0 / (1.0 + 0.25 * 9.0))
    assert far.probability == 0.2


def test_the_best_view_of_a_place_speaks_for_all() -> None:
    best, _ = weighed_by_geometry([checked(0.0, 0.5, 0.1), checked(3.0, 0.5, 4.0)], 25.0)
    assert best.probability == pytest.approx(0.8)


def test_a_place_without_common_features_becomes_unlikely() -> None:
    (found,) = weighed_by_geometry([checked(0.0, 0.8, 0.01, inliers=0)], 25.0)
    assert found.probability == pytest.approx(0.04 / 1.04)


def test_what_was_not_verified_is_no_evidence() -> None:
    (found,) = weighed_by_geometry([checked(0.0, 0.6, 50.0, inliers=-1)], 25.0)
    assert found.probability == 0.6
    (unknown,) = weighed_by_geometry([checked(0.0, np.nan, 50.0)], 25.0)
    assert np.isnan(unknown.probability)


@pytest.mark.parametrize(('rival', 'expected'), [(390, 0.5), (285, 0.5), (200, 0.9), (-1, 0.9)])
def test_inliers_say_nothing_where_another_place_has_as_many(rival: int, expected: float) -> None:
    best, other = weighed_by_geometry(
        [checked(0.0, 0.5, 9.0, inliers=400), checked(80.0, 0.1, 9.0, inliers=rival)], 25.0
    )
    assert best.probability == pytest.approx(expected)
    assert other.probability == 0.1


def test_few_inliers_speak_against_a_place_whatever_another_has() -> None:
    best, _ = weighed_by_geometry(
        [checked(0.0, 0.8, 0.01, inliers=2), checked(80.0, 0.1, 9.0, inliers=50)], 25.0
    )
    assert best.probability == pytest.approx(0.04 / 1.04)


def test_the_rival_is_the_best_one_elsewhere() -> None:
    found = [candidate((x_m, 0.0, 0.0)) for x_m in (0.0, 20.0, 30.0, 900.0)]
    assert rival_of(found, 25.0) == 2
    assert rival_of(found[:2], 25.0) is None
    assert rival_of([], 25.0) is None
    assert rival_of([candidate((np.nan,) * 3), *found], 25.0) is None
