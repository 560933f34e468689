from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from training.loop.augmentation import AugmentationConfig, augment, random_view

NOTHING = AugmentationConfig(photometric=0.0, night=0.0, blur=0.0, grey=0.0)


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def test_nothing_asked_for_changes_nothing(photo: NDArray[np.uint8]) -> None:
    assert np.array_equal(augment(photo, np.random.default_rng(1), NOTHING), photo)


def test_the_generator_decides_everything(photo: NDArray[np.uint8]) -> None:
    first, again, other = (
        augment(photo, np.random.default_rng(seed), AugmentationConfig()) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_nights_are_darker(photo: NDArray[np.uint8]) -> None:
    config = replace(NOTHING, night=1.0)
    means = [augment(photo, np.random.default_rng(seed), config).mean() for seed in range(40)]
    assert np.median(means) < 0.9 * photo.mean()
    assert max(means) <= 255.0


def test_grey_has_no_colour(photo: NDArray[np.uint8]) -> None:
    grey = augment(photo, np.random.default_rng(0), replace(NOTHING, grey=1.0))
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.array_equal(grey[..., 1], grey[..., 2])


def test_blur_keeps_the_light_and_loses_detail(photo: NDArray[np.uint8]) -> None:
    for seed in range(6):
        blurred = augment(photo, np.random.default_rng(seed), replace(NOTHING, blur=1.0))
        assert abs(float(blurred.mean()) - float(photo.mean())) < 3.0
        assert blurred.std() < photo.std()


def test_rain_and_noise_change_pixels_but_hardly_the_mean(photo: NDArray[np.uint8]) -> None:
    for name in ('rain', 'noise'):
        config = replace(NOTHING, **{name: 1.0})
        changed = augment(photo, np.random.default_rng(3), config)
        assert changed.shape == photo.shape and changed.dtype == np.uint8
        assert not np.array_equal(changed, photo)
        assert abs(float(changed.mean()) - float(photo.mean())) < 60.0


def test_any_size_is_made_night() -> None:
    tall = np.full((600, 2000, 3), 128, np.uint8)
    changed = augment(tall, np.random.default_rng(0), replace(NOTHING, night=1.0))
    assert changed.shape == tall.shape


def test_a_view_is_a_window_of_the_image() -> None:
    ramp = np.zeros((60, 80, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(60)[:, None] * 4, np.arange(80)[None] * 3
    for seed in range(20):
        view = random_view(ramp, 32, np.random.default_rng(seed), NOTHING, source_px=64)
        assert view.shape == (32, 32, 3)
        rows = np.diff(view[:, :, 0].astype(int), axis=0)
        assert rows.min() >= 0, 'never upside down'
        columns = np.diff(view[:, :, 1].astype(int), axis=1)
        assert columns.min() >= 0 or columns.max() <= 0, 'mirrored as a whole'


def test_a_window_is_not_enlarged_beyond_the_limit() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    config = AugmentationConfig(largest_zoom=1.0)
    for seed in range(10):
        view = random_view(photo, 64, np.random.default_rng(seed), config, source_px=2000)
        assert is_part(view, photo) or is_part(view[:, ::-1], photo)


def is_part(window: np.ndarray, photo: np.ndarray) -> bool:
    """Whether the photo holds these pixels somewhere."""
    height, width = window.shape[:2]
    corners = (photo[: 1 - height, : 1 - width] == window[0, 0]).all(axis=-1)
    return any(
        np.array_equal(photo[i : i + height, j : j + width], window)
        for i, j in np.argwhere(corners)
    )
