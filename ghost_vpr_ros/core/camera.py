"""The camera: from pixels to rays, with the models of `sensor_msgs/CameraInfo`.

Pixel centres lie at whole numbers. Rays are in the optical frame (x right, y down, z forward);
`BODY_R_OPTICAL` takes them to the body frame (x forward, y left, z up; REP-103).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import ConfigError

BODY_R_OPTICAL: NDArray[np.float64] = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Rotation from the optical frame to the body frame."""

_OPTICAL_ENDS = ('_optical', 'optical_frame')

COEFFICIENTS = {'plumb_bob': (0, 4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
"""Distortion models and how many coefficients each may have."""

_ASPECT_TOLERANCE = 0.02
_UNDISTORT = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-9)


def is_optical(frame: str) -> bool:
    """Whether a TF frame is named as the optical frame of a camera (REP-103)."""
    return frame.endswith(_OPTICAL_ENDS)


@dataclass(frozen=True)
class CameraIntrinsics:
    """Intrinsics of one camera at one image size.

    Attributes:
        fx: focal length along x, pixels.
        fy: focal length along y, pixels.
        cx: principal point, pixels.
        cy: principal point, pixels.
        width: of the image, pixels.
        height: of the image, pixels.
        model: `plumb_bob`, `rational_polynomial` or `equidistant`, as in CameraInfo.
        distortion: its coefficients D, in the order of CameraInfo.
        is_assumed: whether this is a guess from a field of view and no calibration.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    model: str = 'plumb_bob'
    distortion: tuple[float, ...] = ()
    is_assumed: bool = False

    def __post_init__(self) -> None:
        """Refuse what no camera has.

        Raises:
            ConfigError: an unknown model, a wrong number of coefficients, no focal length, no
                size, or numbers that are not finite.
        """
        if self.model not in COEFFICIENTS:
            known = ', '.join(COEFFICIENTS)
            raise ConfigError(
                f'camera: expected a distortion model out of {known}, found {self.model!r}; '
                'calibrate with one of them'
            )
        if len(self.distortion) not in COEFFICIENTS[self.model]:
            allowed = ' or '.join(map(str, COEFFICIENTS[self.model]))
            raise ConfigError(
                f'camera: expected {allowed} coefficients of {self.model}, found '
                f'{len(self.distortion)}; check D of the camera_info'
            )
        self._check_numbers()

    def _check_numbers(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if min(self.fx, self.fy) <= 0.0 or not all(map(math.isfinite, numbers)):
            raise ConfigError(
                f'camera: expected focal lengths above 0 px, found fx {self.fx:g}, fy {self.fy:g}'
                '; the camera_info is not calibrated: calibrate the camera or use none'
            )
        if min(self.width, self.height) <= 0:
            raise ConfigError(
                f'camera: expected an image size, found {self.width} x {self.height} px; the '
                'camera_info is not filled in'
            )

    @classmethod
    def from_camera_info(
        cls,
        k: NDArray[np.float64],
        d: NDArray[np.float64],
        model: str,
        width: int,
        height: int,
    ) -> CameraIntrinsics:
        """The camera of the fields K (9 numbers), D, model and size of a CameraInfo.

        Raises:
            ConfigError: zeros, as an uncalibrated driver sends them, or an unknown model.
        """
        matrix = np.asarray(k, np.float64).ravel()
        if matrix.size != 9:
            raise ConfigError(f'camera: expected 9 numbers in K, found {matrix.size}')
        coefficients = tuple(float(value) for value in np.ravel(d))
        fx, _, cx, _, fy, cy = (float(value) for value in matrix[:6])
        return cls(fx, fy, cx, cy, width, height, model or 'plumb_bob', coefficients)

    @classmethod
    def assumed(cls, width: int, height: int, fov_deg: float) -> CameraIntrinsics:
        """An undistorted camera with this horizontal field of view, marked as assumed."""
        focal = 0.5 * width / math.tan(math.radians(0.5 * fov_deg))
        return cls(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height, is_assumed=True)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3) intrinsic matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def fits(self, width: int, height: int) -> bool:
        """Whether an image of this size can come from this camera, scaled but not cropped."""
        ratio = (width * self.height) / (height * self.width)
        # A thumbnail's sides are whole pixels: half a pixel of its shorter side is not cropping.
        return abs(ratio - 1.0) <= _ASPECT_TOLERANCE + 0.5 / min(width, height)

    def scaled(self, width: int, height: int) -> CameraIntrinsics:
        """The same camera with its images resized to that size.

        Raises:
            ConfigError: another aspect ratio: such an image was cropped or is another camera's.
        """
        if not self.fits(width, height):
            raise ConfigError(
                f'camera: expected an image in the shape of {self.width} x {self.height} px, '
                f'found {width} x {height} px; use the camera_info of this image stream'
            )
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )

    def normalised(self, points_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) undistorted x / z and y / z of pixels (N, 2); NaN where none is in front."""
        points = np.ascontiguousarray(points_px, np.float64).reshape(-1, 1, 2)
        if len(points) == 0:
            return np.zeros((0, 2))
        coefficients = np.asarray(self.distortion, np.float64)
        if self.model == 'equidistant':
            found = cv2.fisheye.undistortPoints(points, self.matrix, coefficients)
        else:
            # OpenCV 4 takes the criteria in a function of its own, which OpenCV 5 has dropped.
            undistort = getattr(cv2, 'undistortPointsIter', cv2.undistortPoints)
            found = undistort(
                points, self.matrix, coefficients, R=None, P=None, criteria=_UNDISTORT
            )
        flat = np.asarray(found, np.float64).reshape(-1, 2)
        # Beyond 90 degrees OpenCV answers with huge numbers.
        return np.where(np.abs(flat).max(axis=1, keepdims=True) < 1e3, flat, np.nan)
