"""Loops inside one drive: each image asked for among the earlier images of the same drive.

The map has to hold the drive itself. Its own descriptors are the queries, so the network does not
run again. The decision is the recogniser's own, on candidates from the past only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.candidates import make_candidates
from ghost_vpr_ros.core.datatypes import (
    UNKNOWN_STAMP_NS,
    Candidate,
    Hypothesis,
    Keyframe,
    Reason,
    State,
)
from ghost_vpr_ros.core.decision import decide
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.likelihood import PlaceLikelihood, learn_likelihood
from ghost_vpr_ros.core.place_map import PlaceMap
from ghost_vpr_ros.core.pose_estimate import estimate_pose
from ghost_vpr_ros.core.recognizer_config import RecognizerConfig
from ghost_vpr_ros.replay.map_builder import SAME_IMAGE_SIMILARITY
from ghost_vpr_ros.replay.replayer import Answer

_NOTHING = Hypothesis(UNKNOWN_STAMP_NS, State.UNKNOWN_PLACE, Reason.EMPTY_MAP)


def own_keyframe_rows(place_map: PlaceMap, answers: Sequence[Answer]) -> dict[int, int]:
    """Row of the map by number of the image, for the images that the map holds.

    A keyframe is an image of the drive when name, stamp and descriptor are the same. Name and
    stamp alone do not tell: simulated drives all begin at the same time.

    Raises:
        MapError: two sessions hold the drive, so that its past cannot be told.
    """
    row_of = {int(key): row for row, key in enumerate(place_map.keyframe_ids())}
    found = [
        (number, candidate.keyframe)
        for number, answer in enumerate(answers)
        for candidate in answer.hypothesis.candidates
        if _is_image(answer, candidate)
    ]
    sessions = sorted({keyframe.session for _, keyframe in found})
    if len(sessions) > 1:
        raise MapError(
            f'{place_map.path}: expected one session with images of this bag, found '
            f'{len(sessions)} with the same images and stamps ({", ".join(sessions)}); build a '
            'map that holds the drive once'
        )
    return {number: row_of[keyframe.keyframe_id] for number, keyframe in found}


def _is_image(answer: Answer, candidate: Candidate) -> bool:
    keyframe, frame = candidate.keyframe, answer.frame
    is_same_name = (keyframe.name, keyframe.stamp_ns) == (frame.name, frame.stamp_ns)
    return is_same_name and candidate.similarity >= SAME_IMAGE_SIMILARITY


def past_hypotheses(
    place_map: PlaceMap,
    own_rows: dict[int, int],
    along_m: NDArray[np.float64],
    loop_min_m: float,
    config: RecognizerConfig,
) -> list[Hypothesis]:
    """What the recogniser would answer to each image if the map held the drive so far.

    Keyframes of other sessions, and those that lie less than `loop_min_m` metres of driving
    back, are no candidates.

    Args:
        place_map: holds the drive.
        own_rows: row by number of the image.
        along_m: (N,) metres driven up to each of the N images.
        loop_min_m: least distance driven since a candidate.
        config: of the recogniser.
    """
    descriptors, keyframes = place_map.descriptors(), place_map.keyframes()
    likelihood = learn_likelihood(descriptors, place_map.positions(), config.group_radius_m)
    hypotheses = []
    for number in range(len(along_m)):
        past = [
            row
            for other, row in own_rows.items()
            if other < number and along_m[number] - along_m[other] >= loop_min_m
        ]
        if number not in own_rows or not past:
            hypotheses.append(_NOTHING)
            continue
        similarity = descriptors[past] @ descriptors[own_rows[number]]
        order = np.argsort(-similarity, kind='stable')
        found = [keyframes[past[rank]] for rank in order]
        stamp_ns = keyframes[own_rows[number]].stamp_ns
        hypotheses.append(_answer(stamp_ns, found, similarity[order], likelihood, config))
    return hypotheses


def _answer(
    stamp_ns: int,
    found: Sequence[Keyframe],
    similarities: NDArray[np.float32],
    likelihood: PlaceLikelihood | None,
    config: RecognizerConfig,
) -> Hypothesis:
    """The hypothesis from keyframes of the past, best first, with their similarities (n,)."""
    radius_m, count = config.group_radius_m, config.top_k
    candidates = make_candidates(found, similarities, likelihood, radius_m, count)
    state, reason = decide(candidates, likelihood, config)
    pose = estimate_pose(candidates, config)
    return Hypothesis(stamp_ns, state, reason, candidates, pose)
