"""The method on one page: an image goes in, a place hypothesis comes out.

The same object serves the node, the replay of bags and the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.calibration import Calibration, decision_config
from ghost_vpr_ros.core.candidates import make_candidates, reaches_elsewhere
from ghost_vpr_ros.core.config import EngineConfig, RecognizerConfig
from ghost_vpr_ros.core.datatypes import (
    Candidate,
    GeoPoint,
    Hypothesis,
    Pose,
    Reason,
    State,
)
from ghost_vpr_ros.core.decision import decide, is_usable
from ghost_vpr_ros.core.engine import Engine, create_engine
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.frames_before import FrameByItself, FramesBefore
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.geometric_evidence import is_uncertain, weighed_by_geometry
from ghost_vpr_ros.core.likelihood import Likelihood, learn_likelihood
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, model_from_bytes
from ghost_vpr_ros.core.place_map import PlaceMap
from ghost_vpr_ros.core.pose_estimate import estimate_pose
from ghost_vpr_ros.core.preprocessing import preprocess
from ghost_vpr_ros.core.search_index import SearchIndex
from ghost_vpr_ros.core.stage_clock import StageClock
from ghost_vpr_ros.core.verification import GeometricVerifier, views_of
from ghost_vpr_ros.core.verification_config import VerificationConfig

MOST_REMEMBERED_DEPTH = 256
"""Deeper searches, as at a dock with thousands of keyframes, do not slow down the next ones."""


class PlaceRecognizer:
    """Recognises places of one map with one network; not for several threads at once.

    Attributes:
        config: thresholds; a new one takes effect with the next image.
        place_map: the map that answers.
        model: the network, for reports on what answered.
    """

    def __init__(
        self, model: VprModel, engine: Engine, place_map: PlaceMap, config: RecognizerConfig
    ) -> None:
        """Read the map and its calibration, or learn its margins where it has none.

        Raises:
            MapError: the engine runs another model than the one that made the map.
        """
        if engine.model_hash != place_map.model_hash:
            raise MapError(
                f'{place_map.path}: expected an engine that runs its model '
                f'{place_map.model_hash[:12]}, found another model, {engine.model_hash[:12]}; '
                'use the model of the map or build the map again'
            )
        self._config = config
        self.place_map = place_map
        self.model = model
        self._preprocessing = model.preprocessing
        self._engine = engine
        self._keyframes = place_map.keyframes()
        self._index = SearchIndex.from_map(place_map)
        self._positions = place_map.positions()
        self._depth = config.top_k
        self._calibration = place_map.calibration
        self._likelihood = self._learn()
        self._frames_before = FramesBefore(self._keyframes)
        self._verifier = GeometricVerifier(views_of(place_map), None, VerificationConfig())
        self._local_frame = None if place_map.origin is None else LocalFrame(place_map.origin)

    @property
    def config(self) -> RecognizerConfig:
        """Thresholds; another radius takes a while, since the map teaches its margins again."""
        return self._config

    @config.setter
    def config(self, config: RecognizerConfig) -> None:
        radius_changed = config.group_radius_m != self._config.group_radius_m
        self._config = config
        if radius_changed:
            self._likelihood = self._learn()

    @property
    def calibration(self) -> Calibration | None:
        """The one in use: the map's; None where it has none, or one for another radius."""
        learnt = self._calibration
        fits = learnt is not None and learnt.group_radius_m == self._config.group_radius_m
        return learnt if fits else None

    def use_calibration(self, calibration: Calibration | None) -> None:
        """Judge by this calibration from now on instead of the map's; None: by the map alone."""
        self._calibration = calibration
        self._likelihood = self._learn()

    def _learn(self) -> Likelihood | None:
        return self.calibration or learn_likelihood(
            self.place_map.descriptors(), self._positions, self._config.group_radius_m
        )

    @classmethod
    def open(
        cls,
        map_path: Path | str,
        model_path: Path | str | None = None,
        engine: str = EngineConfig.engine,
        device: str = EngineConfig.device,
        config: RecognizerConfig | None = None,
    ) -> PlaceRecognizer:
        """A recogniser for a map on disk, with the map's own network or the one at `model_path`.

        Raises:
            MapError: the map is missing, damaged, or belongs to another model.
            WeightsError: the weights are missing or damaged.
            DeviceError: no such engine or device.
        """
        given = None if model_path is None else load_model(model_path)
        place_map = PlaceMap.open(
            map_path,
            expected_model_hash=None if given is None else given.model_hash,
            expected_dim=None if given is None else given.descriptor_dim,
        )
        try:
            model = given or model_from_bytes(place_map.model_bytes(), str(map_path))
            runner = create_engine(model, engine, device)
            return cls(model, runner, place_map, config or RecognizerConfig())
        except BaseException:
            place_map.close()
            raise

    def recognize(
        self,
        image: NDArray[np.uint8],
        stamp_ns: int,
        odometry: Pose | None = None,
        hidden_rows: NDArray[np.bool_] | None = None,
    ) -> Hypothesis:
        """The hypothesis for one image, given those before it.

        Args:
            image: RGB uint8 (H, W, 3).
            stamp_ns: time of capture in nanoseconds; the hypothesis carries it on. An image
                without a stamp, or not later than the one before, is judged by itself.
            odometry: pose of the camera's body in the odometry's frame at that time.
            hidden_rows: (N,) keyframes to answer without, as if the map did not have them.

        Raises:
            ImageError: the array is not such an image.
        """
        clock = StageClock()
        with clock('preprocess'):
            batch = preprocess(image, self._preprocessing)
        if not is_usable(image, self.config.min_contrast):
            return self._answer(stamp_ns, State.REJECTED, Reason.IMAGE_QUALITY, clock)
        with clock('describe'):
            descriptor = self._engine.describe(batch)
        with clock('search'):
            rows, similarities = self._search(descriptor, hidden_rows)
        with clock('decide'):
            candidates = make_candidates(
                [self._keyframes[row] for row in rows],
                similarities,
                self._likelihood,
                self.config.group_radius_m,
                self.config.top_k,
            )
            alone = FrameByItself(candidates, rows, similarities, self._likelihood)
            candidates = self._frames_before.update(alone, stamp_ns, odometry, self.config)
            config = decision_config(self.config, self.calibration)
        if config.verify and is_uncertain(candidates, config.verify_from, config.min_probability):
            with clock('verify'):
                found = self._verifier.verify(image, candidates)
                candidates = weighed_by_geometry(found.items, config.group_radius_m)
        with clock('decide'):
            state, reason = decide(candidates, self._likelihood, config)
            pose = estimate_pose(candidates, self.config)
        return self._answer(stamp_ns, state, reason, clock, candidates, pose)

    def reset(self) -> None:
        """Forget the frames before: what comes next is of another time or place."""
        self._frames_before.reset()

    def _search(
        self, descriptor: NDArray[np.float32], hidden_rows: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (n,) and similarities (n,), best first: `top_k` and on until one is elsewhere.

        Where keyframes stand close, the first `top_k` show one place; the margin needs another.
        The depth that was needed, within reason, is where the next search begins: answers do not
        depend on it. Sequence matching wants all rows.
        """
        if hidden_rows is not None or self.config.temporal == 'sequence':
            rows, similarities = self._index.search(descriptor, max(1, len(self._index)))
            is_seen = slice(None) if hidden_rows is None else ~hidden_rows[rows[0]]
            return rows[0][is_seen], similarities[0][is_seen]
        count, radius_m = self.config.top_k, self.config.group_radius_m
        depth = max(self._depth, count)
        while True:
            rows, similarities = self._index.search(descriptor, depth)
            if depth >= len(self._index) or reaches_elsewhere(
                self._positions[rows[0]], radius_m, count
            ):
                return rows[0], similarities[0]
            depth *= 2
            self._depth = min(depth, MOST_REMEMBERED_DEPTH)

    def _answer(
        self,
        stamp_ns: int,
        state: State,
        reason: Reason,
        clock: StageClock,
        candidates: tuple[Candidate, ...] = (),
        pose: Pose | None = None,
    ) -> Hypothesis:
        geo = self._geo(pose, candidates)
        revision = self.place_map.revision
        is_calibrated = self.calibration is not None
        return Hypothesis(
            *(stamp_ns, state, reason, candidates, pose, geo, revision),
            stage_ms=clock.stage_ms,
            is_calibrated=is_calibrated,
        )

    def _geo(self, pose: Pose | None, candidates: Sequence[Candidate]) -> GeoPoint | None:
        """The pose in WGS84, for maps in ENU; its altitude as far as the best one's is known."""
        if pose is None or self._local_frame is None:
            return None
        point, best = self._local_frame.point_to_geo(pose.position_m), candidates[0].keyframe.geo
        is_flat = best is not None and best.altitude_m is None
        return replace(point, altitude_m=None) if is_flat else point

    def close(self) -> None:
        """Free the network and close the map."""
        self._engine.close()
        self.place_map.close()

    def __enter__(self) -> PlaceRecognizer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
