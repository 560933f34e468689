"""Features found ahead are those of the image, and of no other image."""

import os
import threading

import numpy as np
import pytest

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.engine import leaves_a_core
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier
from ghost_vpr_ros.core.verification.local_features import FeatureExtractor, FeaturesAhead
from test.core.two_views import CAMERA, candidate, street


class Slow:
    """Extracts on command, and records on which thread."""

    def __init__(self):
        self.may_end = threading.Event()
        self.threads = []

    def __call__(self, image):
        self.threads.append(threading.current_thread())
        assert self.may_end.wait(10.0)
        return int(image.sum())


def asked(extract):
    """Features in advance after an image whose features were requested."""
    ahead = FeaturesAhead(extract)
    assert ahead.take(street()) is None
    return ahead


def test_the_extraction_runs_beside_the_caller():
    extract = Slow()
    ahead = asked(extract)
    image = np.full((2, 2, 3), 3, np.uint8)
    ahead.begin(image)
    # The caller is here although the extraction cannot have ended.
    extract.may_end.set()
    assert ahead.take(image) == 36
    assert extract.threads != [threading.current_thread()]
    ahead.close()


def test_of_another_image_nothing_is_known_and_each_is_taken_once():
    ahead = asked(FeatureExtractor(VerificationConfig()))
    image = street()
    ahead.begin(image)
    assert ahead.take(image.copy()) is None
    ahead.begin(image)
    assert len(ahead.take(image)) > 0
    assert ahead.take(image) is None
    ahead.close()


def test_nothing_is_done_ahead_where_nothing_was_requested_before():
    ahead = FeaturesAhead(FeatureExtractor(VerificationConfig()))
    first, second = street(), street(seed=7)
    ahead.begin(first)
    assert ahead.take(first) is None
    ahead.begin(second)
    # The second image was begun, and not requested: the third one is not begun.
    ahead.begin(first)
    assert ahead.take(first) is None
    ahead.close()


def test_an_error_ahead_is_the_error_of_the_frame():
    def fail(_):
        raise ValueError('broken')

    ahead = asked(fail)
    image = street()
    ahead.begin(image)
    with pytest.raises(ValueError, match='broken'):
        ahead.take(image)
    ahead.close()


@pytest.mark.parametrize('features', ['sift', 'orb'])
def test_the_proof_is_the_same_with_features_found_ahead(features):
    query, view = street((1.2, 0.6, 0.0)), street()
    found = []
    for is_expected in (False, True):
        verifier = GeometricVerifier(lambda _: view, CAMERA, VerificationConfig(features=features))
        if is_expected:
            verifier.verify(view, [candidate()])
            verifier.expect(query)
        (item,) = verifier.verify(query, [candidate()])
        verifier.close()
        found.append(item)
    assert found[0] == found[1]
    assert found[0].is_verified
    np.testing.assert_array_equal(found[0].pose.position_m, found[1].pose.position_m)


@pytest.mark.parametrize(
    ('cores', 'threads', 'device', 'expected'),
    [(2, 1, 'cpu', True), (2, 2, 'cpu', False), (1, 1, 'cpu', False), (1, 1, 'cuda', True)],
)
def test_a_core_is_left_where_the_network_has_fewer_threads(
    monkeypatch, cores, threads, device, expected
):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(cores)))
    config = EngineConfig(inference_threads=threads, device=device)
    assert leaves_a_core(config) is expected


def test_without_a_core_of_its_own_nothing_is_found_ahead(monkeypatch):
    monkeypatch.setattr(FeaturesAhead, '__init__', None)
    verifier = GeometricVerifier(lambda _: street(), CAMERA, VerificationConfig(), ahead=False)
    verifier.expect(street())
    assert len(verifier.verify(street(), [candidate(1)])) == 1
    verifier.close()
