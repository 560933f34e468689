"""The method on one page: from an image to a place hypothesis.

The node, the replay of bags and the command line all use this object.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.datatypes import (
    Candidate,
    Hypothesis,
    Keyframe,
    LoopClosure,
    Pose,
    Reason,
    State,
)
from ghost_vpr_ros.core.engine import Engine, create_engine, leaves_a_core
from ghost_vpr_ros.core.engine.base import check_feature_map
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.freed_memory import return_freed_memory
from ghost_vpr_ros.core.map.cells import StoredCells
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.map.views import views_of
from ghost_vpr_ros.core.model.default_weights import default_weights_path
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.opened_map import OpenedMap, open_map
from ghost_vpr_ros.core.preprocessing import check_image, least_side_px, pixel_batch
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.core.probability.general import general_calibration
from ghost_vpr_ros.core.probability.likelihood import Likelihood
from ghost_vpr_ros.core.recognition.decision import decide, decision_config, is_sure
from ghost_vpr_ros.core.recognition.frame_input import check_odometry, checked_stamp
from ghost_vpr_ros.core.recognition.frame_memory import FrameMemory
from ghost_vpr_ros.core.recognition.image_quality import shows_something, why_unusable
from ghost_vpr_ros.core.recognition.known_places import KnownPlaces, Retrieved
from ghost_vpr_ros.core.recognition.map_likelihood import MapTeacher
from ghost_vpr_ros.core.recognition.odometry import PositionPrior, Reading
from ghost_vpr_ros.core.recognition.pose_estimate import (
    best_checked,
    estimate_pose,
    geo_of,
    make_closure,
    rival_of,
    weighed_by_geometry,
)
from ghost_vpr_ros.core.recognition.verified_before import VerifiedBefore
from ghost_vpr_ros.core.search.ranking import BuildProgress
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier, VerifiedCandidate
from ghost_vpr_ros.core.verification.patch_features import PatchExtractor


def _unchanged(engine: Engine) -> Engine:
    return engine


class PlaceRecognizer:
    """Recognises places of one map with one network; not for several threads at once.

    Attributes:
        config: thresholds; a new one takes effect with the next image.
        place_map: the map that answers.
        model: the network, for reports on what answered.
        own_session: session of the map that this run is filling; empty if it fills none.
    """

    def __init__(
        self,
        model: DescribedModel,
        engine: Engine,
        place_map: MapReader,
        config: RecognizerConfig,
        progress: BuildProgress | None = None,
        *,
        features_ahead: bool = False,
    ) -> None:
        """Read the map and its calibration, or learn from its own margins if it has none.

        Args:
            model: that made the map.
            engine: runs it.
            place_map: the map.
            config: thresholds.
            progress: called while the search index of a large map is built, which is done once.
            features_ahead: whether to extract local features while the network runs; without a
                free core, both would take longer.

        Raises:
            MapError: the engine runs another model than the one that made the map.
            DeviceError: places are to be verified by features that a foreign network lacks.
        """
        if config.verify and config.verify_features == 'network':
            check_feature_map(engine)
        if engine.model_hash != place_map.model_hash:
            raise MapError(
                f'{place_map.path}: expected an engine that runs its model '
                f'{place_map.model_hash[:12]}, found another model, {engine.model_hash[:12]}; '
                'use the model of the map or build the map again'
            )
        self._config, self._is_closed = config, False
        self.place_map, self.model = place_map, model
        self._preprocessing = model.preprocessing
        self._engine, self._features_ahead = engine, features_ahead
        self._places = KnownPlaces(place_map, config.index, progress)
        self._memory = FrameMemory(self._places.rows, self._places.located)
        self._teacher = MapTeacher(place_map, self._places)
        self._general = general_calibration(default_weights_path().parent, place_map.model_hash)
        self.use_calibration(place_map.calibration)
        self._camera: CameraIntrinsics | None = None
        self._verifier = self._create_verifier(None)
        self._verified = VerifiedBefore()
        self.own_session = ''

    @property
    def config(self) -> RecognizerConfig:
        """Thresholds; a new radius takes a while: the map's likelihood is learned again."""
        return self._config

    @config.setter
    def config(self, config: RecognizerConfig) -> None:
        before, self._config = self._config, config
        self._thresholds = decision_config(config, self.calibration)
        if config.verify_features != before.verify_features:
            self.use_camera(self._camera)
        if config.group_radius_m != before.group_radius_m:
            self.use_calibration(self._calibration)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration in use; None if the map has none, or one for another radius."""
        learned = self._calibration
        fits = learned is not None and learned.group_radius_m == self._config.group_radius_m
        return learned if fits else None

    def use_calibration(self, calibration: Calibration | None) -> None:
        """Use this calibration from now on instead of the map's; None: use the map alone."""
        self._calibration = calibration
        self._thresholds = decision_config(self._config, self.calibration)
        if self.calibration is None:
            self._teacher.learn(self._config.group_radius_m)

    @property
    def _likelihood(self) -> Likelihood | None:
        """Of the calibration, else of the map, else a general one, unless the map is filled."""
        general = None if self.own_session else self._general
        return self.calibration or self._teacher.likelihood or general

    def use_camera(self, camera: CameraIntrinsics | None) -> None:
        """Verify with these intrinsics from now on; None: with an assumed field of view."""
        before, self._verifier = self._verifier, self._create_verifier(camera)
        self._camera = camera
        self._verified.forget()
        before.close()

    def _create_verifier(self, camera: CameraIntrinsics | None) -> GeometricVerifier:
        config = VerificationConfig(features=self._config.verify_features)
        self._cells = PatchExtractor(self._engine, self._preprocessing, config)
        views, cells = views_of(self.place_map), self.place_map.cells
        ahead = self._features_ahead
        return GeometricVerifier(views, camera, config, self._cells, cells, ahead=ahead)

    def cells_of(self, image: NDArray[np.uint8]) -> StoredCells:
        """What a map stores of an RGB uint8 (H, W, 3) image for verification by the network."""
        return self._cells.cells_of(image)

    @property
    def least_side_px(self) -> int:
        """Least length of the shorter side of an image; 0: it must not be made smaller."""
        return least_side_px(self._preprocessing)

    @property
    def num_known(self) -> int:
        """How many keyframes, from the first of the map on, can answer."""
        return len(self._places)

    def admit(self, keyframe: Keyframe, descriptor: NDArray[np.float32]) -> None:
        """Let the next keyframe of the map answer, with its descriptor (D,)."""
        self._places.add(keyframe, descriptor)
        self._memory.begin_sequence()
        if self.calibration is None:
            self._teacher.follow(self._config.group_radius_m)

    def locate(self, keyframe: Keyframe) -> None:
        """Update an answering keyframe that has been given a pose."""
        self._places.locate(keyframe)
        self._memory.begin_sequence()

    @property
    def reading(self) -> Reading:
        """The position of the last image along the driven path."""
        return self._memory.reading

    @property
    def is_late(self) -> bool:
        """Whether the last image was late or had no stamp, and was judged on its own."""
        return self._memory.is_alone

    @property
    def is_new(self) -> bool:
        """Whether the last image, if it was usable, adds evidence to the previous one."""
        return self._memory.is_new(self.config)

    @classmethod
    def open(
        cls,
        map_path: Path | str,
        model_path: Path | str | None = None,
        engine: EngineConfig | None = None,
        config: RecognizerConfig | None = None,
        mode: str = 'localize',
        storage: MapConfig | None = None,
        wrap: Callable[[Engine], Engine] = _unchanged,
    ) -> PlaceRecognizer:
        """A recogniser for a map on disk, with the map's own network or the one at `model_path`.

        Args:
            map_path: see `open_map`, also for `model_path`, `mode` and `storage`.
            model_path: weights; None: those of the map.
            engine: what runs the network.
            config: thresholds.
            mode: one of `MODES`.
            storage: how a map is written.
            wrap: puts another engine around the one that was made.

        Raises:
            MapError: the map is missing, damaged, or belongs to another model.
            WeightsError: the weights are missing or damaged.
            DeviceError: no such engine or device.
            OutputError: the map cannot be written.
        """
        opened = open_map(map_path, model_path, mode, storage)
        try:
            return cls.of(opened, engine, config, wrap=wrap)
        except BaseException:
            opened.place_map.close()
            raise

    @classmethod
    def of(
        cls,
        opened: OpenedMap,
        engine: EngineConfig | None = None,
        config: RecognizerConfig | None = None,
        progress: BuildProgress | None = None,
        wrap: Callable[[Engine], Engine] = _unchanged,
    ) -> PlaceRecognizer:
        """A recogniser for an open map, with a network of its own; the map stays open on errors.

        Args:
            opened: map and weights.
            engine: what runs the network.
            config: thresholds.
            progress: called while the search index of a large map is built.
            wrap: puts another engine around the one that was made.

        Raises:
            MapError: the map is damaged.
            DeviceError: no such engine or device.
        """
        runner = wrap(create_engine(opened.model, engine))
        try:
            return cls(
                opened.model,
                runner,
                opened.place_map,
                config or RecognizerConfig(),
                progress,
                features_ahead=leaves_a_core(engine or EngineConfig()),
            )
        except BaseException:
            runner.close()
            raise

    def recognize(
        self,
        image: NDArray[np.uint8],
        stamp_ns: int,
        odometry: Pose | None = None,
        hidden_rows: NDArray[np.bool_] | None = None,
        prior: PositionPrior | None = None,
    ) -> Hypothesis:
        """The hypothesis for one image, given the previous ones.

        Args:
            image: RGB uint8 (H, W, 3).
            stamp_ns: time of capture in nanoseconds, copied to the hypothesis. An image that is
                late or has no stamp is judged on its own (see `core/stamps.py`).
            odometry: pose of the camera's body in the odometry frame at that time.
            hidden_rows: (N,) keyframes to ignore, as if they were not in the map.
            prior: where to search; None: by odometry and `prior_radius_m`, or everywhere.

        Raises:
            GhostVprError: no such image, stamp or pose, or the recogniser is closed.
        """
        stamp_ns = self._checked(image, stamp_ns, odometry)
        clock, memory = StageClock(), self._memory
        memory.begin(stamp_ns, odometry, self.config)
        self._verifier.expect(image)
        with clock('preprocess'):
            pixels = pixel_batch(image, self._preprocessing)
            is_empty = not shows_something(image, self.config.min_contrast)
        if is_empty or memory.is_frozen(image, self.config):
            return self._unusable(stamp_ns, image, clock, is_frozen=not is_empty)
        with clock('describe'):
            descriptor = self._describe(image, pixels)
        with clock('search'):
            prior = prior or memory.prior(self.config)
            retrieved = self._retrieve(descriptor, hidden_rows, prior)
        with clock('decide'):
            config = self._thresholds
            alone = memory.by_itself(retrieved, self._likelihood, config)
            believed = memory.weighed(alone, config)
        verified = self._verify(image, believed, config, clock)
        with clock('decide'):
            candidates = believed
            if verified:
                candidates = weighed_by_geometry(verified, config.group_radius_m)
            pose = estimate_pose(candidates, config)
            state, reason = self._decide(candidates, config, is_limited=prior is not None)
            by_features = not is_sure(believed, config)
            state, reason = memory.judged(state, reason, pose, config, by_features=by_features)
        answer = self._answer(stamp_ns, state, reason, clock, candidates, pose)
        return replace(answer, descriptor=descriptor[0], closure=self._closure(answer, verified))

    def _checked(self, image: object, stamp_ns: object, odometry: object) -> int:
        """The stamp of a frame, after checks that leave nothing changed."""
        if self._is_closed:
            raise MapError(f'{self.place_map.path}: the recogniser is closed; open it again')
        check_image(image)
        check_odometry(odometry)
        return checked_stamp(stamp_ns)

    def _describe(
        self, image: NDArray[np.uint8], pixels: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """The descriptor (1, D); the same run gives the cells for verification."""
        if self.config.verify and self.config.verify_features == 'network':
            return self._cells.describe(image, pixels)
        return self._engine.describe(pixels)

    def _unusable(
        self, stamp_ns: int, image: NDArray[np.uint8], clock: StageClock, *, is_frozen: bool
    ) -> Hypothesis:
        answer = self._answer(stamp_ns, State.REJECTED, Reason.IMAGE_QUALITY, clock)
        return replace(answer, detail=why_unusable(image, self.config, is_frozen=is_frozen))

    def _retrieve(
        self,
        descriptor: NDArray[np.float32],
        hidden_rows: NDArray[np.bool_] | None,
        prior: PositionPrior | None,
    ) -> Retrieved:
        """The keyframes most similar to a descriptor (1, D); all keyframes for a sequence."""
        return self._places.search(
            descriptor,
            self.config.top_k,
            self.config.group_radius_m,
            hidden_rows,
            wants_all=self.config.temporal == 'sequence',
            prior=prior,
        )

    def _decide(
        self, candidates: Sequence[Candidate], config: RecognizerConfig, *, is_limited: bool
    ) -> tuple[State, Reason]:
        """State and reason by the candidates alone, see `decide`."""
        return decide(
            candidates, self._likelihood, config, self.own_session, is_limited=is_limited
        )

    def _verify(
        self,
        image: NDArray[np.uint8],
        candidates: Sequence[Candidate],
        config: RecognizerConfig,
        clock: StageClock,
    ) -> Sequence[VerifiedCandidate]:
        """The candidates with their geometry; empty if the best one is too unlikely.

        Between two frames that count as evidence, what was verified stays verified.
        """
        repeats = self._memory.repeats(config)
        if not (repeats or self.is_late):
            self._verified.forget()
        is_likely = bool(candidates) and candidates[0].probability >= config.verify_from
        if not (config.verify and is_likely):
            return ()
        with clock('verify'):
            rival = rival_of(candidates, config.group_radius_m)
            before = self._verified.again(candidates, rival) if repeats else None
            if before is not None:
                return before
            verified = self._verifier.verify(image, candidates, rival)
        if not self.is_late:
            self._verified.keep(verified)
        return verified

    def _closure(
        self, answer: Hypothesis, verified: Sequence[VerifiedCandidate]
    ) -> LoopClosure | None:
        """For an accepted answer, if it is new and other answers support it."""
        is_supported = self.is_new and self._memory.is_supported(self.config)
        if answer.state is not State.ACCEPTED or not is_supported:
            return None
        proof = best_checked(verified)
        keyframe = (answer.candidates[0] if proof is None else proof.candidate).keyframe
        return make_closure(answer.stamp_ns, keyframe, answer.pose, proof)

    @property
    def max_odometry_age_s(self) -> float:
        """Greatest age of odometry that is used for an image, seconds."""
        return self.config.max_odometry_age_s

    def reset(self) -> None:
        """Forget previous frames: the next one belongs to another time or place."""
        self._memory.reset()
        self._verified.forget()

    def _answer(
        self,
        stamp_ns: int,
        state: State,
        reason: Reason,
        clock: StageClock,
        candidates: tuple[Candidate, ...] = (),
        pose: Pose | None = None,
    ) -> Hypothesis:
        return Hypothesis(
            stamp_ns,
            state,
            reason,
            candidates,
            pose,
            geo=geo_of(pose, candidates, self.place_map.local_frame),
            map_revision=self.place_map.revision,
            num_known=len(self._places),
            stage_ms=clock.stage_ms,
            is_calibrated=self.calibration is not None,
            min_probability=self._thresholds.min_probability,
        )

    @property
    def engine_name(self) -> str:
        """What runs the network, on which device."""
        return self._engine.name

    def warm_up(self) -> None:
        """Run the network once: the first run sets up buffers and takes several times as long."""
        size = (self._preprocessing.height_px, self._preprocessing.width_px)
        self._engine.describe(np.zeros((1, *size, 3), np.uint8))
        return_freed_memory()

    def release(self) -> None:
        """End the verifier's thread and free the network; the map stays open."""
        self._is_closed = True
        self._verifier.close()
        self._engine.close()

    def close(self) -> None:
        """End the verifier's thread, free the network and close the map."""
        self.release()
        self.place_map.close()

    def __enter__(self) -> PlaceRecognizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StageClock:
    """Times named stages; `stage_ms` holds what each took in all, in milliseconds."""

    def __init__(self) -> None:
        self.stage_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the body of a `with` statement under a stage's name."""
        start = time.perf_counter()
        yield
        taken_ms = 1e3 * (time.perf_counter() - start)
        self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + taken_ms
