"""Pixels to rays, against points projected by OpenCV's forward models."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.errors import ConfigError

K = np.array([[300.0, 0, 321.0], [0, 310.0, 239.0], [0, 0, 1]])
PLUMB_BOB = (-0.28, 0.07, 0.0002, -0.0003, 0.01)
RATIONAL = (0.4, -0.1, 0.0003, 0.0001, 0.02, 0.7, -0.05, 0.03)
EQUIDISTANT = (0.02, -0.004, 0.001, -0.0002)


def camera(model='plumb_bob', distortion=()) -> CameraIntrinsics:
    return CameraIntrinsics.from_camera_info(K, np.array(distortion), model, 640, 480)


def rays() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 9), np.linspace(-0.5, 0.5, 7))
    return np.column_stack([x.ravel(), y.ravel()])


@pytest.mark.parametrize(
    ('model', 'distortion'),
    [
        ('plumb_bob', ()),
        ('plumb_bob', PLUMB_BOB),
        ('rational_polynomial', RATIONAL),
        ('equidistant', EQUIDISTANT),
    ],
)
def test_undistorted_points_are_those_that_were_projected(model, distortion):
    points = np.column_stack([rays(), np.ones(len(rays()))])
    d = np.array(distortion)
    if model == 'equidistant':
        pixels = cv2.fisheye.distortPoints(rays()[:, None], K, d)
    else:
        pixels = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, d)[0]
    found = camera(model, distortion).normalised(pixels.reshape(-1, 2))
    np.testing.assert_allclose(found, rays(), atol=1e-5)


def test_the_principal_point_looks_ahead():
    found = camera().normalised(np.array([[321.0, 239.0], [621.0, 239.0]]))
    np.testing.assert_allclose(found, [[0, 0], [1, 0]], atol=1e-9)


def test_no_points_have_no_rays():
    assert camera().normalised(np.zeros((0, 2))).shape == (0, 2)


def test_a_scaled_camera_sees_the_same_rays():
    """Pixel centres at whole numbers: pixel (x, y) becomes ((x + 0.5) / 2 - 0.5, ...)."""
    pixels = np.array([[0.0, 0.0], [100.0, 300.0], [639.0, 479.0]])
    full, half = camera(distortion=PLUMB_BOB), camera(distortion=PLUMB_BOB).scaled(320, 240)
    np.testing.assert_allclose(
        half.normalised((pixels + 0.5) / 2 - 0.5), full.normalised(pixels), atol=1e-9
    )


def test_an_image_of_another_shape_is_refused():
    with pytest.raises(ConfigError, match=r'640 x 480 px, found 320 x 320'):
        camera().scaled(320, 320)


def test_an_assumed_camera_has_its_field_of_view_and_states_that_it_is_assumed():
    guess = CameraIntrinsics.assumed(320, 240, 90.0)
    assert guess.is_assumed
    left = guess.normalised(np.array([[-0.5, 119.5]]))
    np.testing.assert_allclose(left, [[-1.0, 0.0]], atol=1e-9)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'k': np.zeros(9)}, 'not calibrated'),
        ({'k': np.full(9, np.nan)}, 'not calibrated'),
        ({'k': np.ones(4)}, '9 numbers'),
        ({'width': 0}, 'image size'),
        ({'model': 'fisheye624'}, "found 'fisheye624'"),
        ({'d': np.zeros(3)}, 'found 3'),
        ({'model': 'equidistant', 'd': np.zeros(5)}, 'expected 4 coefficients'),
    ],
)
def test_a_camera_info_that_is_no_calibration_is_refused(change, words):
    good = {'k': K, 'd': np.zeros(5), 'model': 'plumb_bob', 'width': 640, 'height': 480}
    with pytest.raises(ConfigError, match=words):
        CameraIntrinsics.from_camera_info(**{**good, **change})
