"""Which frames of a mapping run become keyframes."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.map import MappingConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import angle_between
from ghost_vpr_ros.core.recognition.odometry import Reading

_SHARPNESS_FRAMES = 10
_BLURRED_SHARE = 0.5
"""A frame less sharp than this share of previous frames has motion blur and is not kept."""

_STANDING_SHARE = 0.25
"""After less than this share of the keyframe distance, only a rotation gives a keyframe."""


class KeyframeSelection:
    """Remembers the last frame that was kept, and how sharp the frames are."""

    def __init__(self) -> None:
        self._last: tuple[Reading, NDArray[np.float32]] | None = None
        self._sharpness: deque[float] = deque(maxlen=_SHARPNESS_FRAMES)

    def wants(
        self,
        reading: Reading,
        descriptor: NDArray[np.float32],
        sharpness: float,
        config: MappingConfig,
    ) -> bool:
        """Whether a frame shows something new compared with the last keyframe.

        Args:
            reading: of the odometer at the frame.
            descriptor: (D,) of the frame.
            sharpness: of its image, comparable with that of previous frames.
            config: the rules.
        """
        is_blurred = self._is_blurred(sharpness)
        self._sharpness.append(sharpness)
        if is_blurred:
            return False
        if self._last is None:
            return True
        before, kept = self._last
        is_other_view = float(kept @ descriptor) < config.keyframe_similarity
        if before.odometry is None or reading.odometry is None:
            return is_other_view
        if before.stretch != reading.stretch:
            # The distance to the last keyframe is unknown; odometry may jump at every frame.
            return is_other_view or reading.along_m >= config.keyframe_distance_m
        driven_m = reading.along_m - before.along_m
        if driven_m >= config.keyframe_distance_m:
            return True
        turned_rad = _angle_rad(before.odometry, reading.odometry)
        has_moved = driven_m >= _STANDING_SHARE * config.keyframe_distance_m
        return turned_rad >= config.keyframe_rotation_rad or (has_moved and is_other_view)

    def took(self, reading: Reading, descriptor: NDArray[np.float32]) -> None:
        """Compare later frames with this one: it was kept, or its place is already in the map."""
        self._last = (reading, descriptor)

    def _is_blurred(self, sharpness: float) -> bool:
        if len(self._sharpness) < _SHARPNESS_FRAMES:
            return False
        return sharpness < _BLURRED_SHARE * float(np.median(self._sharpness))


def _angle_rad(before: Pose, now: Pose) -> float:
    """Angle between two orientations; 0 if one is unknown."""
    if before.quaternion_xyzw is None or now.quaternion_xyzw is None:
        return 0.0
    return angle_between(before.quaternion_xyzw, now.quaternion_xyzw)
