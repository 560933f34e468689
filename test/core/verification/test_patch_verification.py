"""Patch-NetVLAD as the recogniser's verification: by name, on places of coloured blocks."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.verification.choice import create_verifier
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier
from ghost_vpr_ros.core.verification.patch_verification import PatchNetVladVerifier
from test.core.model.tiny_model import pictures
from test.core.two_views import candidate

CONFIG = VerificationConfig(features='patch-netvlad')
PATCHES = 7 * 7 + 4 * 4


@pytest.fixture(scope='module')
def places() -> list[np.ndarray]:
    """Six places, RGB (256, 256, 3)."""
    return [np.kron(p, np.ones((4, 4, 1), np.uint8)) for p in pictures(6, seed=20)]


@pytest.fixture(scope='module')
def model(places):
    """A network with 8 x 8 cells."""
    settings = ModelConfig(crop_channels=160, clusters=4)
    return build_untrained(settings, PreprocessingConfig(256, 256), places, 0)


def verifier(model, views, config=CONFIG):
    return create_verifier(config, views, None, model, create_engine(model))


def test_the_name_chooses_the_verifier(model):
    assert isinstance(verifier(model, lambda _: None), PatchNetVladVerifier)
    by_sift = verifier(model, lambda _: None, replace(CONFIG, features='sift'))
    assert isinstance(by_sift, GeometricVerifier)


def test_the_same_view_has_nearly_all_patches_of_the_sizes_that_can_agree(model, places):
    darker = (places[1] * 0.9).astype(np.uint8)
    (found,) = verifier(model, lambda _: places[1]).verify(darker, [candidate()]).items
    # One patch of 8 x 8 cells tells no homography, and counts for nothing.
    assert 0.8 * PATCHES < found.candidate.inliers <= PATCHES
    assert found.cells == 16
    assert (found.relative, found.pose) == (None, None)


def test_another_place_has_few(model, places):
    (found,) = verifier(model, lambda _: places[1]).verify(places[2], [candidate()]).items
    assert found.candidate.inliers < 0.5 * PATCHES
    assert not found.is_verified


def test_only_the_first_candidates_are_verified(model, places):
    config = replace(CONFIG, candidates=1)
    found = verifier(model, lambda _: places[0], config).verify(places[0], [candidate()] * 2)
    assert [item.candidate.inliers >= 0 for item in found.items] == [True, False]


def test_without_a_view_nothing_is_said(model, places):
    def damaged(_: int) -> None:
        raise ImageError('view of 1: damaged')

    for views in (lambda _: None, damaged):
        (found,) = verifier(model, views).verify(places[0], [candidate()]).items
        assert (found.candidate.inliers, found.likelihood_ratio) == (-1, 1.0)


def test_no_candidates_are_no_work(model, places):
    assert verifier(model, lambda _: None).verify(places[0], []).items == ()


def test_a_view_is_described_once(model, places):
    asked = []

    def view(keyframe_id: int) -> np.ndarray:
        asked.append(keyframe_id)
        return places[0]

    by_patches = verifier(model, view)
    for _ in range(2):
        by_patches.verify(places[0], [candidate()])
    assert len(asked) == 1
