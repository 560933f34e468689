"""The evidence of a number of inliers."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.core.probability.inlier_evidence import LEARNED, InlierEvidence

EVIDENCE = InlierEvidence(-math.log(4.0), math.log(2.0), cap=50.0, min_inliers=12)


def test_the_ratio_doubles_with_each_inlier_above_eight():
    assert EVIDENCE.likelihood_ratio(-1) == 1.0  # Not verified: no evidence.
    assert EVIDENCE.likelihood_ratio(0) == pytest.approx(0.25)
    assert EVIDENCE.likelihood_ratio(8) == pytest.approx(0.25)
    assert EVIDENCE.likelihood_ratio(10) == pytest.approx(1.0)
    assert EVIDENCE.likelihood_ratio(12) == pytest.approx(4.0)


def test_nothing_is_claimed_beyond_what_the_samples_show():
    assert EVIDENCE.likelihood_ratio(10_000) == pytest.approx(50.0)
    rare = InlierEvidence(-9.0, 1.0, 50.0, 12)
    assert rare.likelihood_ratio(0) == pytest.approx(1.0 / 50.0)


def test_without_verification_it_is_no_evidence():
    assert EVIDENCE.likelihood_ratio(-1) == 1.0


@pytest.mark.parametrize('kind', sorted(LEARNED))
def test_the_learned_ratio_rises_from_below_to_above_one(kind):
    ratios = [LEARNED[kind].likelihood_ratio(n) for n in range(200)]
    assert (np.diff(ratios) >= 0.0).all()
    assert ratios[0] < 1.0 < ratios[LEARNED[kind].min_inliers]
