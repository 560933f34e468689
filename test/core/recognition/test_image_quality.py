"""Lens caps, blur and frozen cameras, on images made here."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.recognition.image_quality import FrozenCamera, sharpness, shows_something
from ghost_vpr_ros.core.recognition.odometry import Reading

CONFIG = RecognizerConfig(evidence_distance_m=2.0)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def at(along_m: float, stretch: int = 1) -> Reading:
    return Reading(0, stretch, along_m, Pose(np.zeros(3)))


@pytest.mark.parametrize('grey', [0, 128, 255])
def test_an_image_of_one_grey_is_unusable(grey):
    assert not shows_something(np.full((48, 64, 3), grey, np.uint8), min_contrast=3.0)


def test_contrast_is_the_deviation_of_grey_levels():
    image = np.full((48, 64, 3), 100, np.uint8)
    image[:24] = 106  # Half of the rows 3 above the mean, half 3 below.
    assert shows_something(image, min_contrast=2.99)
    assert shows_something(image, min_contrast=3.0)
    assert not shows_something(image, min_contrast=3.01)


def test_colours_of_equal_brightness_have_no_contrast():
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :, 0] = image[24:, :, 1] = 200
    assert not shows_something(image, min_contrast=1.0)


def test_a_contrast_of_zero_lets_every_image_pass():
    assert shows_something(np.zeros((1, 1, 3), np.uint8), min_contrast=0.0)


@pytest.mark.parametrize('kernel', [(9, 1), (1, 9)])
def test_blur_in_one_direction_makes_less_sharp(kernel):
    image = cv2.resize(noise(0), (640, 480), interpolation=cv2.INTER_NEAREST)
    assert sharpness(cv2.blur(image, kernel)) < 0.7 * sharpness(image)


def test_sharpness_does_not_depend_on_brightness_and_contrast():
    image = cv2.resize(noise(0), (320, 240), interpolation=cv2.INTER_NEAREST)
    darker = (image // 4 + 20).astype(np.uint8)
    assert sharpness(darker) == pytest.approx(sharpness(image), rel=0.02)


def test_an_image_without_contrast_is_not_sharp():
    assert sharpness(np.full((48, 64, 3), 7, np.uint8)) == 0.0


def test_equal_images_while_the_odometry_goes_on_are_of_a_frozen_camera():
    camera = FrozenCamera()
    found = [camera.is_frozen(noise(0), at(along_m), CONFIG) for along_m in (5.0, 6.9, 7.0, 9.0)]
    assert found == [False, False, True, True]
    assert not camera.is_frozen(noise(1), at(10.0), CONFIG)
    assert not camera.is_frozen(noise(1), at(11.0), CONFIG)


def test_a_camera_that_stands_still_is_not_frozen():
    camera = FrozenCamera()
    assert not any(camera.is_frozen(noise(0), at(5.0), CONFIG) for _ in range(10))


def test_a_jump_of_the_odometry_freezes_no_camera():
    camera = FrozenCamera()
    assert not camera.is_frozen(noise(0), at(5.0), CONFIG)
    assert not camera.is_frozen(noise(0), at(50.0, stretch=2), CONFIG)
