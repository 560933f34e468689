import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.local_contrast import normalise_local_contrast
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.preprocessing import input_pixels


@pytest.fixture
def wall() -> np.ndarray:
    """A textured wall in colour, evenly lit."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 220, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, (192, 144), interpolation=cv2.INTER_LINEAR)


def difference(a, b):
    return float(np.abs(a.astype(float) - b).mean())


def test_a_lamp_at_one_side_makes_hardly_a_difference(wall):
    lamp = np.linspace(0.15, 1.0, 192)[None, :, None]
    by_night = np.round(wall * lamp).astype(np.uint8)
    found = normalise_local_contrast(by_night, 1.0)
    wanted = normalise_local_contrast(wall, 1.0)
    assert difference(found, wanted) < 0.2 * difference(by_night, wall)


def test_colours_are_kept(wall):
    found = normalise_local_contrast(wall, 1.0).astype(float)
    unclipped = (found.max(axis=2) < 250) & (found.min(axis=2) > 25)
    ratios = found[unclipped] / wall[unclipped]
    assert unclipped.mean() > 0.5
    assert (ratios.max(axis=1) / ratios.min(axis=1)).max() < 1.1


def test_flat_grey_gets_the_mean_and_black_stays_black():
    grey = np.full((48, 64, 3), 60, np.uint8)
    assert normalise_local_contrast(grey, 1.0).mean() == pytest.approx(0.45 * 255, rel=0.1)
    black = np.zeros((48, 64, 3), np.uint8)
    assert not normalise_local_contrast(black, 1.0).any()


def test_a_share_lies_between_the_image_and_the_whole(wall):
    half, whole = (normalise_local_contrast(wall, share) for share in (0.5, 1.0))
    assert 0 < difference(half, wall) < difference(whole, wall)
    assert difference(normalise_local_contrast(wall, 0.0), wall) < 12


def test_the_input_has_it_after_the_gamma_and_only_where_it_is_set(wall):
    dark = wall // 4
    plain = PreprocessingConfig(192, 144, brightness=0.35)
    even = PreprocessingConfig(192, 144, brightness=0.35, local_contrast=1.0)
    brighter = input_pixels(dark, plain)
    assert brighter.mean() > dark.mean()
    found = input_pixels(dark, even)
    assert np.array_equal(found, normalise_local_contrast(brighter, 1.0))


def test_weights_without_it_keep_their_hash_and_with_it_have_another():
    def described(share):
        size = PreprocessingConfig(64, 64, local_contrast=share)
        return str(VprModel(ModelConfig(), size).describe_configuration())

    assert 'local_contrast' not in described(0.0)
    assert 'local_contrast' in described(1.0)
