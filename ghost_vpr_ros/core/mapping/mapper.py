"""A robot that maps: every image is answered, and new views become keyframes.

A keyframe is stored at once, but can answer only after the robot has left its place: loops are
closed with the past, not with the last few seconds.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.map import MapConfig, MappingConfig
from ghost_vpr_ros.core.datatypes import (
    UNKNOWN_STAMP_NS,
    GeoPoint,
    Hypothesis,
    Keyframe,
    Pose,
    Reason,
    State,
)
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.map.views import least_side_of_views, view_of
from ghost_vpr_ros.core.mapping.keyframe_selection import KeyframeSelection
from ghost_vpr_ros.core.mapping.tracker import MapTracker, relocated
from ghost_vpr_ros.core.recognition.image_quality import sharpness
from ghost_vpr_ros.core.recognition.odometry import Reading
from ghost_vpr_ros.core.recognizer import PlaceRecognizer


@dataclass(frozen=True)
class _Recent:
    """A keyframe that cannot answer yet."""

    keyframe: Keyframe
    descriptor: NDArray[np.float32]
    reading: Reading


class PlaceMapper:
    """Answers images with a recogniser, and adds keyframes to its map.

    Attributes:
        recognizer: answers; its map is open for writing.
        config: the rules; a new one takes effect with the next image.
        session: name of this run in the map; empty until the first keyframe.
    """

    def __init__(
        self, recognizer: PlaceRecognizer, config: MappingConfig, map_config: MapConfig
    ) -> None:
        """Keep the recogniser; the session begins with the first keyframe.

        Raises:
            MapError: the map is read-only.
        """
        place_map = recognizer.place_map
        if not isinstance(place_map, PlaceMap) or not place_map.is_writable:
            raise MapError(
                f'{place_map.path} is open read-only; a robot that maps needs it open for writing'
            )
        self.recognizer = recognizer
        self.config = config
        self._map_config = map_config
        self._map = place_map
        self.session = ''
        self._selection = KeyframeSelection()
        self._tracker = MapTracker()
        self._recent: deque[_Recent] = deque()
        self._unlocated: dict[int, Reading] = {}
        self._last_kept_ns = UNKNOWN_STAMP_NS

    def recognize(
        self,
        image: NDArray[np.uint8],
        stamp_ns: int,
        odometry: Pose | None = None,
        geo: GeoPoint | None = None,
    ) -> Hypothesis:
        """The hypothesis for one image, which becomes a keyframe if it shows something new.

        A late image is answered and not kept.

        Args:
            image: RGB uint8 (H, W, 3).
            stamp_ns: time of capture in nanoseconds.
            odometry: pose of the camera's body in the odometry's frame at that time.
            geo: WGS84 position at that time.

        Raises:
            ImageError: the array is not such an image.
            OutputError: the map cannot be written; what was added since the last commit is lost.
        """
        self._drop_lost()
        answer = self.recognizer.recognize(image, stamp_ns, odometry)
        if self.recognizer.is_late and stamp_ns != UNKNOWN_STAMP_NS:
            return answer
        reading = self.recognizer.reading
        answer = self._track(answer, reading)
        self._admit_past(reading)
        if answer.descriptor is not None:
            self._consider(image, answer, reading, geo)
        return answer

    @property
    def least_side_px(self) -> int:
        """Least length of the shorter side of an image; 0: it must not be made smaller."""
        return least_side_of_views(self.recognizer.model.preprocessing, self._map_config)

    @property
    def max_odometry_age_s(self) -> float:
        """Greatest age of odometry that is used for an image, seconds."""
        return self.recognizer.max_odometry_age_s

    def reset(self) -> None:
        """Forget previous frames: the robot may be elsewhere."""
        self.recognizer.reset()

    def _track(self, answer: Hypothesis, reading: Reading) -> Hypothesis:
        """Update the pose of the robot, and set the poses of earlier keyframes without one.

        Returns:
            the answer, rejected if the robot cannot be there according to odometry.
        """
        self._tracker.follow(reading, self.config)
        if self._map.map_frame == 'none' and not self._tracker.is_sure:
            # No keyframe has a position yet: the map takes the frame of this odometry.
            self._tracker.start(reading)
        if answer.state is State.ACCEPTED and answer.pose is not None:
            contradicts = self._tracker.contradicts(reading, answer.pose)
            if self.recognizer.is_new:
                self._tracker.correct(reading, answer.pose)
            if contradicts:
                answer = replace(
                    answer, state=State.REJECTED, reason=Reason.ODOMETRY, closure=None
                )
        if self._tracker.is_sure and reading.odometry is not None:
            self._locate_earlier(reading)
        return answer

    def _locate_earlier(self, reading: Reading) -> None:
        """Set the poses of the keyframes on this stretch of odometry that have none."""
        for keyframe_id, then in list(self._unlocated.items()):
            if then.stretch == reading.stretch:
                pose = relocated(self._tracker.pose(), reading, then, self.config)
                self._map.locate(keyframe_id, pose)
                self._relocate(keyframe_id)
                del self._unlocated[keyframe_id]

    def _relocate(self, keyframe_id: int) -> None:
        """Update the recogniser, or the keyframes that wait to be admitted to it."""
        keyframe = self._map.keyframe(keyframe_id)
        for place, recent in enumerate(self._recent):
            if recent.keyframe.keyframe_id == keyframe_id:
                self._recent[place] = _Recent(keyframe, recent.descriptor, recent.reading)
                return
        self.recognizer.locate(keyframe)

    def _admit_past(self, reading: Reading) -> None:
        """Let the keyframes answer whose places the robot has left."""
        if self._recent and self._has_left(self._recent[0].reading, reading):
            # Commit first: a keyframe that answers must not get lost.
            self._map.commit()
        while self._recent and self._has_left(self._recent[0].reading, reading):
            past = self._recent.popleft()
            self.recognizer.admit(past.keyframe, past.descriptor)

    def _has_left(self, then: Reading, now: Reading) -> bool:
        if then.stretch != now.stretch:
            return True
        if now.odometry is None:
            # Without odometry from the start, or since it stopped.
            return now.stamp_ns - then.stamp_ns >= round(1e9 * self.config.past_time_s)
        return now.along_m - then.along_m >= self.config.past_distance_m

    def _consider(
        self,
        image: NDArray[np.uint8],
        answer: Hypothesis,
        reading: Reading,
        geo: GeoPoint | None,
    ) -> None:
        """Keep the frame if it shows something new compared with the last keyframe and the map."""
        assert answer.descriptor is not None
        if not self._selection.wants(reading, answer.descriptor, sharpness(image), self.config):
            return
        self._selection.took(reading, answer.descriptor)
        if not self._is_duplicate(answer):
            self._keep(image, answer.descriptor, reading, geo)

    def _is_duplicate(self, answer: Hypothesis) -> bool:
        """Whether the map already has a very similar keyframe of the place."""
        if answer.state is not State.ACCEPTED:
            return False
        return answer.candidates[0].similarity >= self.config.duplicate_similarity

    def _keep(
        self,
        image: NDArray[np.uint8],
        descriptor: NDArray[np.float32],
        reading: Reading,
        geo: GeoPoint | None,
    ) -> None:
        pose, geo = self._position(reading, geo)
        self._begin_session(reading)
        keyframe_id = self._map.add(
            self.session,
            reading.stamp_ns,
            descriptor,
            name=f'{reading.stamp_ns}',
            pose=pose,
            geo=geo,
            view_jpeg=view_of(image, self._map_config),
            cells=self.recognizer.cells_of(image) if self._map_config.store_cells else None,
        )
        self._last_kept_ns = reading.stamp_ns
        keyframe = self._map.keyframe(keyframe_id)
        self._recent.append(_Recent(keyframe, descriptor, reading))
        if keyframe.pose is None and reading.odometry is not None:
            self._unlocated[keyframe_id] = reading

    def _begin_session(self, reading: Reading) -> None:
        """Begin a session with the first keyframe, and when stamps, which name them, go back.

        A session that was lost with its first keyframes begins anew.
        """
        if reading.stamp_ns < self._last_kept_ns:
            self.session = ''
        if self.session not in self._map.session_names:
            self.session = self._map.add_session(self.session or self._free_name())
            self.recognizer.own_session = self.session

    def _drop_lost(self) -> None:
        """Forget keyframes that the map lost: a failed write undoes all since the last commit."""
        num_kept = len(self._map) - self.recognizer.num_known
        while len(self._recent) > num_kept:
            lost = self._recent.pop().keyframe.keyframe_id
            self._unlocated.pop(lost, None)

    def _free_name(self) -> str | None:
        """The requested name, with a number if an earlier run has it."""
        wanted, taken = self.config.session, self._map.session_names
        numbered = (f'{wanted}-{number}' for number in itertools.count(2))
        names = itertools.chain([wanted], numbered)
        return next(name for name in names if name not in taken) if wanted else None

    def _position(
        self, reading: Reading, geo: GeoPoint | None
    ) -> tuple[Pose | None, GeoPoint | None]:
        """The position of a keyframe, as the frame of the map requires it."""
        is_tracked = self._tracker.is_sure and reading.odometry is not None
        pose = self._tracker.pose() if is_tracked else None
        if self._map.map_frame == 'enu':
            return self._geotagged(pose, geo)
        if pose is None and self._map.map_frame == 'local':
            return None, None
        return pose, geo

    def _geotagged(
        self, pose: Pose | None, geo: GeoPoint | None
    ) -> tuple[Pose | None, GeoPoint | None]:
        """The position in a geotagged map: WGS84, measured or else tracked."""
        if pose is None:
            return None, geo
        assert self._map.local_frame is not None
        measured = geo or self._map.local_frame.point_to_geo(pose.position_m)
        return Pose(np.full(3, np.nan), pose.quaternion_xyzw, pose.covariance), measured
