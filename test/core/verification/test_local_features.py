"""Local features, their matches and their cache."""

import numpy as np
import pytest

from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.verification.local_features import (
    FeatureExtractor,
    LocalFeatures,
    match,
)
from test.core.two_views import street

KINDS = ('sift', 'orb')


def extract(image, **changes) -> LocalFeatures:
    return FeatureExtractor(VerificationConfig(**changes))(image)


@pytest.mark.parametrize('kind', KINDS)
def test_a_shifted_image_matches_by_its_shift(kind):
    image = street()
    a, b = (
        extract(part, features=kind, working_width_px=320)
        for part in (image[:, :-16], image[:, 16:])
    )
    pairs = match(a, b, 0.8)
    shift = a.points[pairs[:, 0]] - b.points[pairs[:, 1]]
    assert len(pairs) > 50
    assert np.mean(np.abs(shift - (16.0, 0.0)).max(axis=1) < 3.0) > 0.9


@pytest.mark.parametrize('kind', KINDS)
def test_the_number_of_features_is_bounded(kind):
    assert 0 < len(extract(street(), features=kind, max_features=60)) <= 60


def test_wide_images_are_shrunk_and_small_ones_are_not_enlarged():
    wide = np.repeat(np.repeat(street(), 2, axis=0), 2, axis=1)
    assert extract(wide, working_width_px=200).size == (200, 150)
    assert extract(street()[:100, :100], working_width_px=200).width == 100


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('shape', [(240, 320), (1, 1), (8, 2000), (15, 15), (17, 17)])
def test_images_without_texture_have_no_features_and_no_matches(kind, shape):
    features = extract(np.full((*shape, 3), 90, np.uint8), features=kind)
    assert len(features) == 0
    assert match(features, extract(street(), features=kind), 0.8).shape == (0, 2)


def test_matches_are_mutual_and_clear():
    """0 finds 0; 1 and 2 want the same one; 3 has two that are nearly as near."""

    def features(angles_deg) -> LocalFeatures:
        angles = np.radians(angles_deg)
        rows = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
        return LocalFeatures(np.zeros((len(rows), 2)), rows, 'sift', 320, 240)

    found = match(features([0, 39, 42, 95]), features([1, 40, 90, 101]), 0.8)
    assert found.tolist() == [[0, 0], [1, 1]]
