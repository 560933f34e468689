"""Drives and maps of `benchmarks/closures.py`, cached in a folder for later runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.closure_variants import (
    GARDENS_STEP_M,
    POSITIVE_DISTANCE_M,
    STAMP_RATE_HZ,
    TOLERANCE,
)
from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.datatypes import Candidate, Frame, Pose
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.model.default_weights import load_default_model
from ghost_vpr_ros.core.opened_map import create_map
from ghost_vpr_ros.core.recognition.odometry import StampedMemory
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier, VerifiedCandidate
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.bags.writer import ODOMETRY_TOPIC, TRUTH_TOPIC
from ghost_vpr_ros.replay.calibration.judged_drive import Elsewhere
from ghost_vpr_ros.replay.descriptors.remembering_engine import RememberingEngine
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth, by_index, by_position
from ghost_vpr_ros.replay.evaluation.replayer import keyframes_as_frames
from ghost_vpr_ros.replay.map_builder import add_frames
from ghost_vpr_ros.replay.pose_graph.odometry_track import remembered_odometry
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.export import is_complete, make_town
from ghost_vpr_ros.replay.sources.image_sources import open_source
from ghost_vpr_ros.replay.sources.source_to_bag import INVENTED_START_NS

SETS_ELSEWHERE = {
    'bgu_campus': ('bgu_campus',),
    'gardens_point': ('gardens_point/day_left', 'gardens_point/day_right'),
    'camvid': ('camvid/train', 'camvid/val', 'camvid/test'),
}
"""Images of places that gsv_cambridge does not show."""


Pair = tuple[bytes, int]
"""SHA-256 of an image, and the id of a keyframe."""


@dataclass(frozen=True)
class DriveQueries:
    """The query frames of a drive, and the map to search.

    Attributes:
        name: for reports and file names.
        map_name: drives with equal names share a map.
        mapped: frames of the map, with positions.
        frames: Q query frames, with stamps if the temporal filter is to be used.
        odometry: of the drive; None without any.
        is_by_index: whether answers are judged by frame numbers instead of positions.
        elsewhere: a drive through places that the map lacks, in images of the same kind.
    """

    name: str
    map_name: str
    mapped: Sequence[Frame]
    frames: Sequence[Frame]
    odometry: StampedMemory[Pose] | None = None
    is_by_index: bool = False
    elsewhere: Elsewhere | None = None

    def truth(self, place_map: MapReader) -> GroundTruth | None:
        """The right keyframes; None if the frames have no positions, so that none is right."""
        database = keyframes_as_frames(place_map)
        if self.is_by_index:
            return by_index(self.frames, database, TOLERANCE)
        if all(frame.geo is None and frame.pose is None for frame in self.frames):
            return None
        return by_position(self.frames, database, POSITIVE_DISTANCE_M)


def town_queries(work: Path, seed: int, other_seed: int) -> DriveQueries:
    """Drive 1 of a town searched in drive 0, with exact positions in one frame.

    Drive 1 of another town gives the unknown places: this town is so small that the keyframes
    around a hidden place still show the same street.
    """
    mapped, (queries, odometry) = town_drive(work, seed, 0), town_drive(work, seed, 1)
    return DriveQueries(
        f'town{seed}',
        f'town{seed}',
        mapped[0],
        queries,
        odometry,
        elsewhere=Elsewhere(*town_drive(work, other_seed, 1)),
    )


def town_drive(work: Path, seed: int, number: int) -> tuple[Sequence[Frame], StampedMemory[Pose]]:
    """Frames with exact positions, and their odometry; renders the town if it is missing."""
    town, config = work / f'town{seed}', TownConfig(seed=seed)
    if not is_complete(town, config):
        make_town(town, config, storage=['mcap'])
    bag = town / f'drive_{number}' / 'bag_mcap'
    frames = open_source(bag, topics=BagTopics(position_topic=TRUTH_TOPIC)).frames
    return frames, remembered_odometry(bag, ODOMETRY_TOPIC)[0]


def towns_queries(work: Path, seeds: Sequence[int]) -> list[DriveQueries]:
    """Each town, with the next one as the places that its map lacks."""
    others = [*seeds[1:], seeds[0]]
    return [town_queries(work, *pair) for pair in zip(seeds, others, strict=True)]


def gsv_val_queries(data: Path) -> DriveQueries:
    """The validation split of gsv_cambridge, whose photos are unordered and have no stamps."""
    mapped, queries = (
        open_source(data / 'gsv_cambridge', where={'split': 'val', 'role': role}).frames
        for role in ('database', 'query')
    )
    return DriveQueries('gsv_val', 'gsv_val', mapped, queries)


def gardens_queries(data: Path) -> DriveQueries:
    """The walk on the right side searched in the one on the left."""
    mapped, queries = (
        open_source(data / 'gardens_point' / side).frames for side in ('day_left', 'day_right')
    )
    return DriveQueries(
        'gardens', 'gardens', along_a_line(mapped), stamped(queries), is_by_index=True
    )


def elsewhere_queries(data: Path, name: str) -> DriveQueries:
    """Images of other places searched in the training split of gsv_cambridge."""
    mapped = open_source(data / 'gsv_cambridge', where={'split': 'train'}).frames
    sources = [open_source(data / folder) for folder in SETS_ELSEWHERE[name]]
    frames = [
        replace(frame, name=f'{source.short_name}/{frame.name}', geo=None, pose=None)
        for source in sources
        for frame in source.frames
    ]
    return DriveQueries(f'elsewhere_{name}', 'gsv_train', mapped, stamped(frames))


def along_a_line(frames: Sequence[Frame]) -> list[Frame]:
    """Frames without positions, `GARDENS_STEP_M` apart."""
    return [
        replace(frame, pose=Pose(np.array([GARDENS_STEP_M * number, 0.0, 0.0])))
        for number, frame in enumerate(frames)
    ]


def stamped(frames: Sequence[Frame]) -> list[Frame]:
    """Frames without stamps, at `STAMP_RATE_HZ`."""
    return [
        replace(frame, stamp_ns=INVENTED_START_NS + round(number * 1e9 / STAMP_RATE_HZ))
        for number, frame in enumerate(frames)
    ]


def descriptor_file(folder: Path, source: str, model_hash: str) -> Path:
    """The file of the cached descriptors of one source by one network."""
    return folder / 'descriptors' / f'{source}_{model_hash[:12]}.npz'


class RememberingVerifier:
    """Caches the verification of each pair of image and keyframe, for all variants."""

    def __init__(self, verifier: GeometricVerifier, known: dict[Pair, VerifiedCandidate]) -> None:
        self._verifier = verifier
        self._known = known

    def expect(self, image: NDArray[np.uint8]) -> None:
        """Do nothing in advance, because most results are cached."""

    def close(self) -> None:
        """As `GeometricVerifier.close`."""
        self._verifier.close()

    def verify(
        self,
        image: NDArray[np.uint8],
        candidates: Sequence[Candidate],
        rival: int | None = None,
    ) -> list[VerifiedCandidate]:
        """As `GeometricVerifier.verify` of the default configuration."""
        chosen = {*range(VerificationConfig.candidates), rival}
        key = hashlib.sha256(np.ascontiguousarray(image).data).digest()
        pairs = {
            number: (key, each.keyframe.keyframe_id)
            for number, each in enumerate(candidates)
            if number in chosen
        }
        new = [candidates[number] for number, pair in pairs.items() if pair not in self._known]
        for item in self._verifier.verify(image, new, len(new) - 1):
            self._known[key, item.candidate.keyframe.keyframe_id] = item
        return [
            self._remembered(each, pairs[number]) if number in pairs else VerifiedCandidate(each)
            for number, each in enumerate(candidates)
        ]

    def _remembered(self, candidate: Candidate, pair: Pair) -> VerifiedCandidate:
        """The cached result of the pair, with the candidate's own probability."""
        item = self._known[pair]
        return replace(item, candidate=replace(candidate, inliers=item.candidate.inliers))


class Setup:
    """The shipped network, with cached maps and descriptors of earlier runs.

    Attributes:
        work: folder of the caches.
        model: the shipped network.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.model = load_default_model()
        self._verified: dict[str, dict[Pair, VerifiedCandidate]] = {}

    @contextmanager
    def recognizer(
        self, drive: DriveQueries, config: RecognizerConfig
    ) -> Iterator[PlaceRecognizer]:
        """As `fresh_recognizer`, but each pair of images is verified only once."""
        known = self._verified.setdefault(drive.name, {})
        with self.fresh_recognizer(drive, config) as recognizer:
            # There is no public interface, since only this benchmark repeats verifications.
            verifier = RememberingVerifier(recognizer._verifier, known)
            recognizer._verifier = verifier  # type: ignore[assignment]
            yield recognizer

    @contextmanager
    def fresh_recognizer(
        self, drive: DriveQueries, config: RecognizerConfig
    ) -> Iterator[PlaceRecognizer]:
        """A recogniser of the map of `drive` whose network runs once for each image."""
        engine = RememberingEngine(create_engine(self.model))
        own = descriptor_file(self.work, drive.name, self.model.model_hash)
        # A town's drive is also searched in another town's map.
        for path in own.parent.glob(descriptor_file(self.work, '*', self.model.model_hash).name):
            engine.known.update(kept_descriptors(path))
        before = set(engine.known)
        place_map = self._map(drive, engine)
        with PlaceRecognizer(self.model, engine, place_map, config) as recognizer:
            yield recognizer
            new = {key: row for key, row in engine.known.items() if key not in before}
            if new:
                keep_descriptors(own, new)

    def _map(self, drive: DriveQueries, engine: RememberingEngine) -> PlaceMap:
        """The map of an earlier run of the same network, or a new one."""
        model = self.model
        path = self.work / 'maps' / f'{drive.map_name}_{model.model_hash[:12]}.map'
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            create_map(path, model).close()
        with PlaceMap.open(path, writable=True) as place_map:
            if len(place_map) < len(drive.mapped):
                add_frames(place_map, 'map', drive.mapped, model, engine, MapConfig())
        return PlaceMap.open(path)


def kept_descriptors(path: Path) -> dict[bytes, NDArray[np.float32]]:
    """(1, D) descriptors of earlier runs by network input; empty without earlier runs."""
    if not path.exists():
        return {}
    with np.load(path) as kept:
        rows = kept['descriptors'][:, np.newaxis]
        return dict(zip((key.tobytes() for key in kept['inputs']), rows, strict=True))


def keep_descriptors(path: Path, new: dict[bytes, NDArray[np.float32]]) -> None:
    """Add descriptors to the cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    every = {**kept_descriptors(path), **new}
    inputs = np.array([np.frombuffer(key, np.uint8) for key in every])
    np.savez(path, inputs=inputs, descriptors=np.concatenate(list(every.values())))
