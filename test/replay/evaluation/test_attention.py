"""Terms of cells: they add up to the similarity, and lie where the images are alike."""

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.preprocessing import preprocess
from ghost_vpr_ros.replay.evaluation.attention import cell_terms, described, overlay
from test.core.model.tiny_model import pictures, tiny_model

SETTINGS = [
    {},
    {'descriptor_dim': 6},
    {'rows': (9, 11), 'reduced_channels': 8, 'descriptor_dim': 6},
    {'rows': (9, 14), 'reduced_channels': 8, 'join': 'vlads'},
]


@pytest.mark.parametrize('settings', SETTINGS, ids=str)
def test_the_terms_add_up_to_the_similarity(settings):
    model = tiny_model(**settings)
    query, other = pictures(2, seed=3)
    descriptor = described(model, other)
    similarity = float(described(model, query) @ descriptor)
    offset = 0.0
    if settings.get('descriptor_dim'):
        with torch.no_grad():
            batch = torch.from_numpy(preprocess(query, model.preprocessing))
            raw = model.pooling(model.feature_map(batch))[0]
            whitened = model.whitening.projection @ (raw - model.whitening.mean)
            mean = model.whitening.projection @ model.whitening.mean
            offset = float(mean @ torch.from_numpy(descriptor) / whitened.norm())
    terms = cell_terms(model, query, descriptor)
    assert terms.ndim == 2
    assert float(terms.sum()) - offset == pytest.approx(similarity, abs=1e-4)


def test_other_poolings_are_refused():
    model = tiny_model(pooling='gem', clusters=64)
    with pytest.raises(ConfigError, match='pooling netvlad, found gem'):
        cell_terms(model, pictures(1)[0], np.ones(160, np.float32))


def test_the_overlay_is_bright_where_terms_are_large_and_dark_where_they_speak_against():
    image = np.full((40, 60, 3), 100, np.uint8)
    terms = np.zeros((2, 2), np.float32)
    terms[0, 0], terms[1, 1] = 1.0, -1.0
    shown = overlay(image, terms)
    assert shown.shape == image.shape and shown.dtype == np.uint8
    assert shown[3, 3].sum() > 2 * shown[36, 56].sum()
