"""Offline replay: answers every frame of a bag in order, with the recogniser of the node.

No frame is dropped and nothing depends on the clock, so the same bag, map and settings always give
the same answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame, Hypothesis, Keyframe, Pose, Progress, Reason, State
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.recognition.odometry import StampedMemory
from ghost_vpr_ros.core.stamps import jumps_before
from ghost_vpr_ros.replay.evaluation.evaluator import Evaluation
from ghost_vpr_ros.replay.evaluation.ground_truth import by_position
from ghost_vpr_ros.replay.evaluation.match_sheet import blank_picture, picture_of_view
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW


@dataclass(frozen=True)
class Answer:
    """One frame of the bag, its hypothesis, and the time taken to read the frame."""

    frame: Frame
    hypothesis: Hypothesis
    load_ms: float
    odometry: Pose | None = None


class Recognizer(Protocol):
    """The part of `PlaceRecognizer` and `PlaceMapper` that answers."""

    @property
    def max_odometry_age_s(self) -> float:
        """Greatest age of odometry that is used for an image, seconds."""
        ...

    @property
    def least_side_px(self) -> int:
        """Least length of the shorter side of an image; 0: all its pixels are needed."""
        ...

    def recognize(
        self, image: NDArray[np.uint8], stamp_ns: int, odometry: Pose | None = None
    ) -> Hypothesis:
        """The hypothesis for one image."""
        ...

    def reset(self) -> None:
        """Forget previous frames."""
        ...


def replay(
    frames: Sequence[Frame],
    recognizer: Recognizer,
    odometry: StampedMemory[Pose] | None = None,
    *,
    progress: Progress | None = None,
) -> list[Answer]:
    """The answers to all frames in order, using odometry where there is any."""
    known, answers = odometry or StampedMemory(), []
    all_jumps = jumps_before(frame.stamp_ns for frame in frames)
    recognizer.reset()
    for frame, jumps in zip(frames, all_jumps, strict=True):
        pose = known.at(frame.stamp_ns, recognizer.max_odometry_age_s, jumps)
        answers.append(_answer(frame, recognizer, pose))
        if progress:
            progress(1)
    return answers


def _answer(frame: Frame, recognizer: Recognizer, odometry: Pose | None) -> Answer:
    """The answer to one frame; an image that cannot be decoded is rejected, as in the node."""
    start = time.perf_counter()
    try:
        image = frame.at_least(recognizer.least_side_px)
    except ImageError as error:
        rejected = Hypothesis(
            frame.stamp_ns, State.REJECTED, Reason.IMAGE_QUALITY, detail=str(error)
        )
        unseen = replace(frame, load=blank_picture)
        return Answer(unseen, rejected, 1e3 * (time.perf_counter() - start), odometry)
    load_ms = 1e3 * (time.perf_counter() - start)
    hypothesis = recognizer.recognize(image, frame.stamp_ns, odometry)
    return Answer(frame, hypothesis, load_ms, odometry)


def judge(
    answers: Sequence[Answer],
    place_map: MapReader,
    positive_distance_m: float,
    own_session: str = '',
) -> Evaluation | None:
    """The answers with known truth as an evaluation; None if no frame or keyframe has a position.

    Keyframes without a position are not in its database: an answer that names one cannot be judged
    and does not count as right. Keyframes that could not answer yet are no positives.

    Args:
        answers: to all frames of a drive.
        place_map: that answered.
        positive_distance_m: an answer within this distance is right.
        own_session: session that the drive itself filled: its keyframes are judged by the truth of
            their frames, not by odometry.

    Raises:
        SourceError: the truth and the map have positions of different kinds.
    """
    judged = [answer for answer in answers if answer.frame.has_position]
    own = {a.frame.stamp_ns: a.frame for a in answers} if own_session else {}
    keyframes = [
        _with_truth(frame, own[key.stamp_ns]) if key.session == own_session else frame
        for key, frame in zip(place_map.keyframes(), keyframes_as_frames(place_map), strict=True)
    ]
    located = [row for row, frame in enumerate(keyframes) if frame.has_position]
    if not judged or not located:
        return None
    database = [keyframes[row] for row in located]
    queries = [answer.frame for answer in judged]
    truth = by_position(queries, database, positive_distance_m)
    if own_session:
        # An image that cannot be decoded reports 0 known keyframes: the previous number applies.
        known = np.maximum.accumulate([answer.hypothesis.num_known for answer in judged])
        positives = truth.positives.below(np.searchsorted(located, known))
        truth = replace(truth, positives=positives)
    rows, similarity = _rankings(judged, place_map.keyframe_ids()[located])
    return Evaluation(database, queries, truth, rows, similarity, stage_times(judged))


def why_unjudged(frames: Sequence[Frame], place_map: MapReader, *, is_named: bool) -> str:
    """Why answers to these frames cannot be judged, and what to do; empty if they can.

    This is known before the first image is described. Frames without any position are no
    contradiction, there is just nothing to compare.

    Args:
        frames: with the positions that answers are judged by.
        place_map: that answers.
        is_named: whether the user named these positions and thereby confirms their frame.
    """
    sample = next((frame for frame in frames if frame.has_position), None)
    if sample is None or place_map.map_frame == 'none' or not len(place_map):
        return ''
    found, expected = sample.geo is not None, place_map.map_frame == 'enu'
    if found != expected:
        kinds = {True: 'WGS84', False: 'metric'}
        return (
            f'expected {kinds[expected]} positions, which {place_map.path} has, as positions of '
            f'one kind can be compared, found {kinds[found]} ones; name a fitting topic with '
            '--position-topic or a file with --ground-truth, or build the map from positions of '
            'this kind (ghost-vpr build-map)'
        )
    if not (expected or is_named) and any(map(_is_mapped, place_map.keyframes())):
        return (
            f"{place_map.path} was made while driving, in the frame of that drive's odometry: "
            'positions of another drive cannot be compared with it; build the map from positions '
            '(ghost-vpr build-map) to have answers judged'
        )
    return ''


def _is_mapped(keyframe: Keyframe) -> bool:
    """Whether a driving robot made it: `PlaceMapper` names keyframes by their stamps."""
    return keyframe.name == str(keyframe.stamp_ns)


def _with_truth(keyframe: Frame, frame: Frame) -> Frame:
    """A keyframe at the true position of its frame."""
    return replace(keyframe, geo=frame.geo, pose=frame.pose)


def stage_times(answers: Iterable[Answer]) -> dict[str, list[float]]:
    """Milliseconds of every answer by stage; `load` is reading the image."""
    times: dict[str, list[float]] = {}
    for answer in answers:
        for stage, taken_ms in {'load': answer.load_ms, **answer.hypothesis.stage_ms}.items():
            times.setdefault(stage, []).append(taken_ms)
    return times


def keyframes_as_frames(place_map: MapReader) -> list[Frame]:
    """The keyframes of a map, in row order, as frames whose pixels are the stored views.

    The poses of a geotagged map are left out: they follow from its WGS84 positions and would
    be compared with poses of another origin.
    """
    keeps_pose = place_map.map_frame == 'local'
    return [
        Frame(
            name=f'{keyframe.session}/{keyframe.name}',
            load=partial(_view, place_map, keyframe),
            stamp_ns=keyframe.stamp_ns,
            geo=keyframe.geo,
            pose=keyframe.pose if keeps_pose else None,
        )
        for keyframe in place_map.keyframes()
    ]


def _view(place_map: MapReader, keyframe: Keyframe) -> NDArray[np.uint8]:
    return picture_of_view(place_map.view(keyframe.keyframe_id), keyframe.name)


def _rankings(
    answers: Sequence[Answer], keyframe_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows (Q, k) and similarities (Q, k) of the answers' candidates, filled up where short."""
    row_of = {int(keyframe_id): row for row, keyframe_id in enumerate(keyframe_ids)}
    width = max(1, *(len(answer.hypothesis.candidates) for answer in answers))
    rows = np.full((len(answers), width), NO_ROW, np.int64)
    similarity = np.full((len(answers), width), np.nan, np.float32)
    for number, answer in enumerate(answers):
        for rank, candidate in enumerate(answer.hypothesis.candidates):
            rows[number, rank] = row_of.get(candidate.keyframe.keyframe_id, NO_ROW)
            similarity[number, rank] = candidate.similarity
    return rows, similarity
