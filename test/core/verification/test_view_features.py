"""Features of stored views: made once, kept while in use, absent where there is no view."""

import numpy as np

from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.verification.local_features import FeatureExtractor
from ghost_vpr_ros.core.verification.view_features import FeatureCache, ViewFeatures
from test.core.two_views import street


def extract(image: np.ndarray):
    return FeatureExtractor(VerificationConfig())(image)


def test_a_view_is_described_once():
    described = []

    def describe(image):
        described.append(image.shape)
        return len(described)

    features = ViewFeatures(lambda number: street(seed=number), describe, kept=5)
    assert [features.of(7), features.of(8), features.of(7)] == [1, 2, 1]


def test_a_missing_or_damaged_view_has_no_features():
    def damaged(_):
        raise ImageError('view: truncated')

    assert ViewFeatures(lambda _: None, extract, kept=5).of(1) is None
    assert ViewFeatures(damaged, extract, kept=5).of(1) is None


def test_the_cache_keeps_the_keyframes_used_last():
    made, features = [], extract(street())

    def get(cache: FeatureCache, number: int) -> None:
        cache.get(number, lambda: made.append(number) or features)

    cache = FeatureCache(2)
    for number in (1, 2, 1, 3, 1, 2):
        get(cache, number)
    assert made == [1, 2, 3, 2]
    assert len(cache) == 2


def test_a_keyframe_without_a_view_is_asked_again():
    cache = FeatureCache(2)
    assert cache.get(1, lambda: None) is None
    assert len(cache) == 0


def test_a_view_of_fog_is_not_searched_again():
    made, fog = [], extract(np.full((240, 320, 3), 128, np.uint8))
    cache = FeatureCache(2)
    for _ in range(2):
        cache.get(1, lambda: made.append(1) or fog)
    assert made == [1]
