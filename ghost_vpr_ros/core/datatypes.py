"""The values passed between the stages, each with its unit and frame.

The `map` frame is metric, right-handed and z-up (REP-103, REP-105): east-north-up about the map's
origin where the map is geotagged, the frame of the given poses otherwise. A camera's pose is that
of its body frame (x forward, y left, z up), not of its optical frame.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

UNKNOWN_STAMP_NS = -1
"""Stamp of an image whose time of capture is not known."""

QUATERNION_TOLERANCE = 1e-3
"""How far the length of a quaternion may be from 1."""

Progress = Callable[[int], object]
"""Called with the number of items that were finished since the last call."""


@dataclass(frozen=True)
class GeoPoint:
    """WGS84 position: degrees, and metres above the ellipsoid (None where it is not known)."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float | None = None


@dataclass(frozen=True)
class Pose:
    """Pose of a camera in the map frame.

    Attributes:
        position_m: (3,) float64, metres; NaN where only the orientation is known.
        quaternion_xyzw: (4,) float64 unit quaternion, or None where the heading is unknown.
        covariance: (6, 6) float64 in the order x, y, z (m^2), roll, pitch, yaw (rad^2), or None.
    """

    position_m: NDArray[np.float64]
    quaternion_xyzw: NDArray[np.float64] | None = None
    covariance: NDArray[np.float64] | None = field(default=None, repr=False)

    @classmethod
    def of_heading(cls, quaternion_xyzw: NDArray[np.float64]) -> Pose:
        """An orientation without a position, as of a photo with compass and GPS tag."""
        return cls(np.full(3, np.nan), quaternion_xyzw)

    @property
    def has_position(self) -> bool:
        """Whether all three coordinates are known."""
        return bool(np.isfinite(self.position_m).all())


@dataclass(frozen=True)
class ScalableLoad:
    """Reads an image in full, or faster at a smaller size.

    Attributes:
        read: returns RGB uint8 (H, W, 3) whose shorter side has at least this many pixels; 0: all.
    """

    read: Callable[[int], NDArray[np.uint8]]

    def __call__(self) -> NDArray[np.uint8]:
        """The whole image."""
        return self.read(0)


def loaded_at_least(load: Callable[[], NDArray[np.uint8]], side_px: int) -> NDArray[np.uint8]:
    """The image, reduced if `load` can do so with a shorter side of at least `side_px`."""
    return load.read(side_px) if isinstance(load, ScalableLoad) else load()


@dataclass(frozen=True)
class Frame:
    """One image of a source and its metadata; the pixels are read on demand.

    Attributes:
        name: path or bag position; unique inside its source, for display.
        load: returns RGB uint8 (H, W, 3); raises `ImageError`. A `ScalableLoad` where the image
            can be read in a smaller size, as `at_least` does for networks.
        stamp_ns: time of capture in integer nanoseconds, or `UNKNOWN_STAMP_NS`.
        geo: WGS84 position where known.
        pose: metric pose where known (x/y, easting/northing, odometry), or only an orientation.
        panorama: images with the same value show the same panorama and are never matched.
        attributes: the manifest's remaining columns, as text.
    """

    name: str
    load: Callable[[], NDArray[np.uint8]]
    stamp_ns: int = UNKNOWN_STAMP_NS
    geo: GeoPoint | None = None
    pose: Pose | None = None
    panorama: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_metric_position(self) -> bool:
        """Whether a metric position is known; False for a pose that is an orientation only."""
        return self.pose is not None and self.pose.has_position

    @property
    def has_position(self) -> bool:
        """Whether a WGS84 or a metric position is known, so that answers can be judged."""
        return self.geo is not None or self.has_metric_position

    def at_least(self, side_px: int) -> NDArray[np.uint8]:
        """The image, see `loaded_at_least`."""
        return loaded_at_least(self.load, side_px)


@dataclass(frozen=True)
class Keyframe:
    """One entry of a map, without its descriptor and its view, which are read by id."""

    keyframe_id: int
    session: str
    stamp_ns: int
    name: str
    pose: Pose | None = None
    geo: GeoPoint | None = None


@dataclass(frozen=True)
class Candidate:
    """One retrieved keyframe.

    Attributes:
        keyframe: what was retrieved.
        similarity: cosine of the two descriptors, -1 to 1, higher is better.
        probability: that this is the place, given this image and those before it, 0 to 1; NaN
            where the map has no likelihood.
        inliers: of the geometric verification; -1 where it did not run.
        by_itself: that this is the place, given this image alone; NaN as above.
        margin: how much more similar than the best one elsewhere; NaN without a position.
    """

    keyframe: Keyframe
    similarity: float
    probability: float = float('nan')
    inliers: int = -1
    by_itself: float = float('nan')
    margin: float = float('nan')


@dataclass(frozen=True)
class LoopClosure:
    """The pose of a query camera relative to the matched keyframe.

    Attributes:
        keyframe: of the map.
        stamp_ns: of the query image.
        keyframe_T_query: pose of the query camera's body frame in the keyframe's body frame, with
            its covariance.
        is_metric: False where the distance is unknown; the covariance is then large.
        inliers: consistent local features; -1 if only positions of the map were used.
    """

    keyframe: Keyframe
    stamp_ns: int
    keyframe_T_query: Pose
    is_metric: bool
    inliers: int = -1


class State(enum.Enum):
    """The decision on a query image."""

    ACCEPTED = 'ACCEPTED'
    TENTATIVE = 'TENTATIVE'
    REJECTED = 'REJECTED'
    UNKNOWN_PLACE = 'UNKNOWN_PLACE'


class Reason(enum.Enum):
    """Why a query image was not accepted; NONE if it was, FAILURE after a defect."""

    NONE = 'NONE'
    EMPTY_MAP = 'EMPTY_MAP'
    LOW_SCORE = 'LOW_SCORE'
    AMBIGUOUS = 'AMBIGUOUS'
    TEMPORAL = 'TEMPORAL'
    GEOMETRIC = 'GEOMETRIC'
    ODOMETRY = 'ODOMETRY'
    CONSISTENCY = 'CONSISTENCY'
    LOCKOUT = 'LOCKOUT'
    UNCALIBRATED = 'UNCALIBRATED'
    IMAGE_QUALITY = 'IMAGE_QUALITY'
    STALE = 'STALE'
    FAILURE = 'FAILURE'


@dataclass(frozen=True)
class Hypothesis:
    """The answer for one query image: published for every processed frame.

    Attributes:
        stamp_ns: the query image's stamp.
        state: ACCEPTED, TENTATIVE, REJECTED or UNKNOWN_PLACE.
        reason: why it was not accepted.
        candidates: best first; empty for an empty map or an unusable image.
        pose: estimate in the map frame with covariance, where the candidates carry positions.
        geo: the same position in WGS84, for geotagged maps.
        map_revision: revision of the map that answered.
        num_known: how many keyframes, from the first of the map on, could answer.
        stage_ms: milliseconds spent in each stage, by the stage's name.
        is_calibrated: whether the probabilities come from a validation drive, not from the map
            alone.
        closure: of an accepted answer that adds information; None if the frame repeats the
            previous one, or the relative pose is unknown.
        descriptor: (D,) float32 of the image; None where it was unusable.
        min_probability: from which an answer is accepted; NaN where no recogniser answered.
        detail: a sentence on an image that was unusable.
    """

    stamp_ns: int
    state: State
    reason: Reason
    candidates: tuple[Candidate, ...] = ()
    pose: Pose | None = None
    geo: GeoPoint | None = None
    map_revision: int = 0
    num_known: int = 0
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    is_calibrated: bool = False
    closure: LoopClosure | None = None
    descriptor: NDArray[np.float32] | None = field(default=None, repr=False)
    detail: str = ''
    min_probability: float = float('nan')
