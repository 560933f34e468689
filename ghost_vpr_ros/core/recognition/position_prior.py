"""Where the camera is thought to be before its image is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.recognition.odometry import Reading

_FARTHEST = 3.0
"""Odometry is a prior for so many radii of driving; then the whole map is searched again."""


@dataclass(frozen=True)
class PositionPrior:
    """A disc: only keyframes in it are looked at.

    Attributes:
        position_m: (2,) or (3,) in the map frame, metres.
        radius_m: horizontally.
    """

    position_m: NDArray[np.float64]
    radius_m: float


def prior_of_fix(
    geo: GeoPoint | None, frame: LocalFrame | None, radius_m: float
) -> PositionPrior | None:
    """The disc around a GPS fix; None without one, in a map that is not geotagged, or for 0 m."""
    if geo is None or frame is None or radius_m == 0.0:
        return None
    return PositionPrior(frame.point_to_enu(geo), radius_m)


class LastAnswer:
    """The prior that an accepted answer leaves behind: the camera is where odometry can take it.

    Its heading is not needed, nor that of the answer: the disc grows with the distance from the
    answer. Where no further answer follows it ends soon, in case the answer was wrong.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: the camera may be anywhere."""
        self._answer: tuple[Pose, Reading] | None = None

    def accept(self, pose: Pose, reading: Reading) -> None:
        """Take an accepted answer and its frame."""
        if reading.odometry is not None and np.isfinite(pose.position_m[:2]).all():
            self._answer = pose, reading

    def prior(self, reading: Reading, radius_m: float) -> PositionPrior | None:
        """The disc for a frame; None without an answer, on another stretch, or too far away."""
        if self._answer is None or reading.odometry is None:
            return None
        pose, then = self._answer
        driven_m = reading.along_m - then.along_m
        if then.stretch != reading.stretch or driven_m > _FARTHEST * radius_m:
            return None
        assert then.odometry is not None
        away_m = float(np.linalg.norm(reading.odometry.position_m - then.odometry.position_m))
        return PositionPrior(pose.position_m, radius_m + away_m)
