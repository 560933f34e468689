"""A drive with known truth as queries to a map: the best candidates, and if they are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Candidate, Frame, Hypothesis, Pose, Progress
from ghost_vpr_ros.core.errors import ImageError, SourceError
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.recognition.odometry import StampedMemory
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.core.stamps import jumps_before
from ghost_vpr_ros.replay.evaluation.ground_truth import horizontal_positions
from ghost_vpr_ros.replay.evaluation.pairs import Pairs, pairs_within
from ghost_vpr_ros.replay.evaluation.replayer import keyframes_as_frames, replay

_HIDDEN_RADII = 2.0
"""Radius within which a place is hidden, in radii of a right answer: keyframes just outside one
radius still show the same street, which a place that the map lacks would not have."""


@dataclass(frozen=True)
class Elsewhere:
    """A drive through places that the map lacks, with odometry if there is any."""

    frames: Sequence[Frame]
    odometry: StampedMemory[Pose] | None = None


@dataclass(frozen=True)
class Drive:
    """Frames with known places, and the keyframes of these places.

    Attributes:
        frames: F frames.
        jumps: how often the clock had been set back before each of them.
        row_of: row of the map by keyframe id.
        right: rows of the map that are right answers, by frame.
        around: rows of the map that are hidden to make a frame's place unknown.
        odometry: of the drive, for the filter; None: frames are linked by their stamps alone.
        elsewhere: frames at unknown places; None: the places of the frames are hidden instead.
    """

    frames: Sequence[Frame]
    jumps: Sequence[int]
    row_of: dict[int, int]
    right: Pairs
    around: Pairs
    odometry: StampedMemory[Pose] | None = None
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True)
class JudgedAnswer:
    """The best candidate of one frame.

    Attributes:
        image: the frame's name.
        is_hidden: whether the place of the frame was hidden, or is not in the map at all.
        has_place: whether the map, without hidden rows, has the place of the frame.
        keyframe_id: of the candidate; -1 where there is none.
        similarity: of it; NaN where there is none.
        margin: of it, or NaN.
        probability: the final one, or NaN.
        is_right: whether it shows the place of the frame.
    """

    image: str
    is_hidden: bool
    has_place: bool
    keyframe_id: int = -1
    similarity: float = float('nan')
    margin: float = float('nan')
    probability: float = float('nan')
    is_right: bool = False


@dataclass(frozen=True)
class Answers:
    """All judged answers of one pass.

    Attributes:
        answers: n answers; of each drive, those at hidden places last.
        weights: (n,) float64: 1 for a frame as driven.
    """

    answers: list[JudgedAnswer]
    weights: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """The answers of several drives, concatenated."""
        answers = [answer for part in parts for answer in part.answers]
        return cls(answers, np.concatenate([part.weights for part in parts]))

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) float64: one attribute of each answer."""
        return np.array([getattr(answer, name) for answer in self.answers], np.float64)

    def flags(self, name: str) -> NDArray[np.bool_]:
        """(n,) bool: one attribute of each answer."""
        return np.array([getattr(answer, name) for answer in self.answers], bool)

    def as_driven(self) -> Answers:
        """The answers at places that were not hidden."""
        seen = ~self.flags('is_hidden')
        kept = [answer for answer in self.answers if not answer.is_hidden]
        return Answers(kept, self.weights[seen])


def judged_drive(
    frames: Sequence[Frame],
    place_map: MapReader,
    positive_distance_m: float,
    odometry: StampedMemory[Pose] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Drive:
    """The frames whose place is known, with the keyframes that show it.

    Raises:
        SourceError: no frame or no keyframe has a position, or they have different kinds.
    """
    all_jumps = jumps_before(frame.stamp_ns for frame in frames)
    jumps = [n for n, frame in zip(all_jumps, frames, strict=True) if frame.has_position]
    located = [frame for frame in frames if frame.has_position]
    keyframes = keyframes_as_frames(place_map)
    rows = np.array([n for n, k in enumerate(keyframes) if k.has_position], np.int64)
    for name, count in (('the drive', len(located)), (str(place_map.path), len(rows))):
        if count == 0:
            raise SourceError(
                f'{name}: expected positions to judge the answers by, found none; use a source '
                'with positions, or name a file of them with --ground-truth'
            )
    points, map_points = horizontal_positions(located, [keyframes[row] for row in rows])

    def within(radius_m: float) -> Pairs:
        frame_numbers, numbers = np.divmod(
            pairs_within(points, map_points, radius_m).keys, len(rows)
        )
        return Pairs.of(frame_numbers, rows[numbers], len(located), len(place_map))

    row_of = {int(number): row for row, number in enumerate(place_map.keyframe_ids())}
    around = within(_HIDDEN_RADII * positive_distance_m)
    right = within(positive_distance_m)
    return Drive(located, jumps, row_of, right, around, odometry, elsewhere)


def query_drive(
    drive: Drive,
    recognizer: PlaceRecognizer,
    *,
    is_hidden: bool = False,
    progress: Progress | None = None,
) -> list[JudgedAnswer]:
    """The answers to a drive in order; an unusable image has an answer without candidate.

    Args:
        drive: searched in the map of `recognizer`.
        recognizer: answers.
        is_hidden: query each frame as if the map did not have its place; frames whose place it
            lacks anyway are left out.
        progress: called for each frame.
    """
    answers = []
    recognizer.reset()
    for number in range(len(drive.frames)):
        if not is_hidden or len(drive.right.rows(number)):
            answers.append(_answer(drive, number, recognizer, is_hidden))
        if progress:
            progress(1)
    return answers


def query_elsewhere(
    elsewhere: Elsewhere,
    recognizer: PlaceRecognizer,
    *,
    progress: Progress | None = None,
) -> list[JudgedAnswer]:
    """The answers to a drive through places that the map lacks, none of which is right."""
    replayed = replay(elsewhere.frames, recognizer, elsewhere.odometry, progress=progress)
    return [_judged(each.frame, _best(each.hypothesis), is_hidden=True) for each in replayed]


def _answer(
    drive: Drive, number: int, recognizer: PlaceRecognizer, is_hidden: bool
) -> JudgedAnswer:
    frame, right = drive.frames[number], drive.right.rows(number)
    hidden = _mask(drive, number) if is_hidden else None
    pose = None
    if drive.odometry is not None:
        max_age_s = recognizer.max_odometry_age_s
        pose = drive.odometry.at(frame.stamp_ns, max_age_s, drive.jumps[number])
    best = _best_candidate(frame, recognizer, pose, hidden)
    has_place = bool(len(right)) and not is_hidden
    is_right = best is not None and drive.row_of[best.keyframe.keyframe_id] in right
    return _judged(frame, best, is_hidden, has_place, is_right)


def _judged(
    frame: Frame,
    best: Candidate | None,
    is_hidden: bool,
    has_place: bool = False,
    is_right: bool = False,
) -> JudgedAnswer:
    if best is None:
        return JudgedAnswer(frame.name, is_hidden, has_place)
    return JudgedAnswer(
        frame.name,
        is_hidden,
        has_place,
        best.keyframe.keyframe_id,
        best.similarity,
        best.margin,
        best.probability,
        is_right,
    )


def _mask(drive: Drive, number: int) -> NDArray[np.bool_]:
    hidden = np.zeros(len(drive.row_of), bool)
    hidden[drive.around.rows(number)] = True
    return hidden


def _best_candidate(
    frame: Frame,
    recognizer: PlaceRecognizer,
    odometry: Pose | None,
    hidden: NDArray[np.bool_] | None,
) -> Candidate | None:
    try:
        image = frame.at_least(recognizer.least_side_px)
    except ImageError:
        return None
    return _best(recognizer.recognize(image, frame.stamp_ns, odometry, hidden_rows=hidden))


def _best(hypothesis: Hypothesis) -> Candidate | None:
    return hypothesis.candidates[0] if hypothesis.candidates else None
