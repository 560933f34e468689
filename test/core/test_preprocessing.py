"""The network's input against numbers by hand and against OpenCV's resizing."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.preprocessing import fitted_size, input_pixels, preprocess
from test.core.model.tiny_model import tiny_model

PLAIN = {'mean': (0.0, 0.0, 0.0), 'std': (1.0, 1.0, 1.0)}


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def sized(width: int, height: int, **numbers) -> PreprocessingConfig:
    return PreprocessingConfig(width_px=width, height_px=height, **numbers)


def test_a_constant_image_gives_the_numbers_worked_by_hand():
    image = np.empty((50, 70, 3), np.uint8)
    image[:] = (255, 102, 0)
    found = preprocess(image, sized(48, 32))
    assert found.shape == (1, 3, 32, 48)
    assert found.dtype == np.float32
    expected = [(1.0 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, (0.0 - 0.406) / 0.225]
    for channel, value in zip(found[0], expected, strict=True):
        np.testing.assert_allclose(channel, value, atol=1e-6)


def test_an_image_of_the_right_size_keeps_every_pixel():
    image = noise(32, 40)
    found = preprocess(image, sized(40, 32, **PLAIN))
    np.testing.assert_allclose(found[0].transpose(1, 2, 0), image / 255.0, atol=1e-7)


@pytest.mark.parametrize(
    ('height', 'width', 'interpolation'),
    [
        (96, 160, cv2.INTER_AREA),
        (61, 83, cv2.INTER_AREA),
        (96, 20, cv2.INTER_AREA),
        (16, 20, cv2.INTER_LINEAR),
        (32, 20, cv2.INTER_LINEAR),
        (1, 2, cv2.INTER_LINEAR),
    ],
)
def test_other_sizes_are_resized_as_opencv_does(height, width, interpolation):
    image = noise(height, width)
    found = preprocess(image, sized(40, 32, **PLAIN))
    expected = cv2.resize(image, (40, 32), interpolation=interpolation) / 255.0
    np.testing.assert_allclose(found[0].transpose(1, 2, 0), expected, atol=1e-6)


def test_halving_averages_blocks_of_four_pixels():
    image = noise(64, 80)
    found = preprocess(image, sized(40, 32, **PLAIN))[0].transpose(1, 2, 0) * 255.0
    blocks = image.reshape(32, 2, 40, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found, blocks, atol=0.51)


def test_the_channels_stay_red_green_blue():
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 255
    found = preprocess(image, sized(32, 32, **PLAIN))
    assert found[0].max(axis=(1, 2)).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize('view', [np.s_[::-1], np.s_[:, ::-1], np.s_[..., ::-1], np.s_[::2, ::3]])
def test_a_view_of_an_image_is_as_good_as_its_copy(view):
    image = noise(96, 150)[view]
    config = sized(40, 32)
    np.testing.assert_array_equal(preprocess(image, config), preprocess(image.copy(), config))


def test_the_image_itself_is_left_alone():
    image = noise(32, 40)
    image.setflags(write=False)
    before = image.copy()
    preprocess(image, sized(40, 32))[:] = 0.0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((32, 32, 3), np.float32),
        np.zeros((32, 32, 3), np.uint16),
        np.zeros((32, 32), np.uint8),
        np.zeros((32, 32, 1), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((0, 32, 3), np.uint8),
        np.zeros((32, 0, 3), np.uint8),
    ],
    ids=lambda image: f'{image.dtype}{image.shape}',
)
def test_what_is_not_an_rgb_image_is_refused(image):
    with pytest.raises(ImageError, match='expected RGB uint8') as caught:
        preprocess(image, sized(32, 32))
    assert f'{image.dtype} {image.shape}' in str(caught.value)


@pytest.mark.parametrize('level', [20, 60])
def test_dark_images_are_brought_to_the_wanted_brightness(level):
    rng = np.random.default_rng(0)
    image = rng.integers(level // 2, level * 3 // 2, (40, 40, 3), np.uint8)
    config = PreprocessingConfig(width_px=40, height_px=40, brightness=0.35)
    pixels = input_pixels(image, config)
    grey = pixels @ np.array([0.299, 0.587, 0.114]) / 255.0
    assert grey.mean() == pytest.approx(0.35, abs=0.05)
    order = np.argsort(image[..., 0], axis=None)
    assert (np.diff(pixels[..., 0].ravel()[order].astype(int)) >= 0).all(), 'light keeps its order'


def test_bright_images_stay_as_they_are():
    image = np.full((40, 40, 3), 120, np.uint8)
    config = PreprocessingConfig(width_px=40, height_px=40, brightness=0.35)
    assert input_pixels(image, config) is image


def test_black_stays_dark_and_no_wish_changes_nothing():
    black = np.zeros((40, 40, 3), np.uint8)
    config = PreprocessingConfig(width_px=40, height_px=40, brightness=0.45)
    assert input_pixels(black, config).max() == 0
    image = np.full((40, 40, 3), 30, np.uint8)
    assert input_pixels(image, PreprocessingConfig(width_px=40, height_px=40)) is image


@pytest.mark.parametrize(
    ('fit', 'expected'),
    [('stretch', (64, 64)), ('pad', (64, 32)), ('inside', (64, 32)), ('own', (100, 50))],
)
def test_an_image_is_fitted_to_its_size(fit, expected):
    """100 x 50 pixels (w, h) into a box of 64 x 64."""
    assert fitted_size(100, 50, sized(64, 64, fit=fit)) == expected
    found = input_pixels(noise(50, 100), sized(64, 64, fit=fit))
    assert found.shape[:2] == ((64, 64) if fit == 'pad' else expected[::-1])


def test_padding_is_what_the_network_calls_nothing():
    image = np.full((50, 100, 3), 200, np.uint8)
    found = preprocess(image, sized(64, 64, fit='pad'))[0]
    inside = preprocess(image, sized(64, 64, fit='inside'))[0]
    np.testing.assert_array_equal(found[:, 16:48], inside)
    # Half a grey level of 255 is 0.009 deviations.
    assert np.abs(np.delete(found, np.s_[16:48], axis=1)).max() < 0.01


def test_own_size_keeps_every_pixel():
    image = noise(37, 51)
    np.testing.assert_array_equal(input_pixels(image, sized(64, 64, fit='own')), image)


def test_the_way_of_fitting_changes_the_hash_where_it_is_not_the_usual_one():
    model = tiny_model()
    plain = model.describe_configuration()['preprocessing']
    assert 'fit' not in plain
    before, name = model.model_hash, model.name
    model.preprocessing = sized(64, 64, fit='inside')
    assert model.model_hash != before
    assert (name, model.name) == (name, name.replace('64x64', 'inside 64x64'))
