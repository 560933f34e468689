"""Which answers become closures of a pose graph, and which of them stand alone.

An accepted answer names a place, not a metric pose: the closure says that the query stood where
the keyframe stands, as surely as the hypothesis' covariance says, with a heading that is
known only roughly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Hypothesis, Keyframe, Pose, State
from ghost_vpr_ros.core.settings import Config, setting


@dataclass(frozen=True)
class ClosureConfig(Config):
    """Which answers become closures."""

    loop_min_m: float = setting(
        30.0, 'least distance driven between two images of a loop', unit='m', low=0.0, high=1e5
    )
    min_support: int = setting(
        1, 'further closures near by that a closure has to agree with; 0: none', low=0, high=100
    )
    support_window_m: float = setting(
        20.0, 'closures this near along the way are asked', unit='m', low=0.0, high=1e4
    )
    support_tolerance_m: float = setting(
        5.0, 'motion of queries and of keyframes agrees to this', unit='m', low=0.0, high=1e3
    )


@dataclass(frozen=True)
class Closure:
    """The query of one image stands where a keyframe stands.

    Attributes:
        query: number of the image.
        keyframe: what it matched.
        earlier: number of the image of the same drive that the keyframe is, or None for one of
            another drive: then it stands where the map says.
        sigma_m: standard deviation of the horizontal position.
        height_sigma_m: standard deviation of the height.
    """

    query: int
    keyframe: Keyframe
    earlier: int | None
    sigma_m: float
    height_sigma_m: float


def closures_of(
    hypotheses: Sequence[Hypothesis], image_of_keyframe: Mapping[int, int]
) -> list[Closure]:
    """The closures of all accepted hypotheses that carry a covariance.

    Args:
        hypotheses: of the images of a drive, in their order.
        image_of_keyframe: number of the image by keyframe id, for keyframes of the same drive.
    """
    closures = []
    for query, hypothesis in enumerate(hypotheses):
        pose = hypothesis.pose
        if hypothesis.state is State.ACCEPTED and pose is not None and pose.covariance is not None:
            keyframe = hypothesis.candidates[0].keyframe
            earlier = image_of_keyframe.get(keyframe.keyframe_id)
            closures.append(Closure(query, keyframe, earlier, *_sigmas(pose, keyframe)))
    return closures


def _sigmas(pose: Pose, keyframe: Keyframe) -> tuple[float, float]:
    """Deviation from the keyframe: the larger horizontal axis and the height of the covariance.

    The estimate is the middle of several candidates; how far it is from the keyframe adds to it.
    """
    assert pose.covariance is not None
    assert keyframe.pose is not None
    offset = pose.position_m - keyframe.pose.position_m
    horizontal = float(np.linalg.eigvalsh(pose.covariance[:2, :2])[-1])
    spread = horizontal + 0.5 * float(offset[:2] @ offset[:2])
    return float(np.sqrt(spread)), float(np.sqrt(pose.covariance[2, 2] + offset[2] ** 2))


def with_support(
    closures: Sequence[Closure],
    positions: NDArray[np.float64],
    along_m: NDArray[np.float64],
    config: ClosureConfig,
) -> list[Closure]:
    """The closures that enough others near by agree with (after Mangelson et al. 2018, PCM).

    Two agree when their queries are as far apart as their keyframes. A wrong match seldom finds
    company; a right one has it before and after.

    Args:
        closures: of one drive.
        positions: (N, 3) metres, of the odometry at its images; NaN where unknown.
        along_m: (N,) metres driven up to each image.
        config: what agrees.
    """
    if not closures or config.min_support == 0:
        return list(closures)
    queries = np.array([closure.query for closure in closures])
    is_own = np.array([closure.earlier is not None for closure in closures])
    places = np.array([_place(closure, positions) for closure in closures])
    apart = np.linalg.norm(positions[queries, np.newaxis] - positions[queries], axis=2)
    places_apart = np.linalg.norm(places[:, np.newaxis] - places, axis=2)
    near = np.abs(along_m[queries, np.newaxis] - along_m[queries]) <= config.support_window_m
    agree = near & (np.abs(apart - places_apart) <= config.support_tolerance_m)
    agree &= (queries[:, np.newaxis] != queries) & (is_own[:, np.newaxis] == is_own)
    enough = agree.sum(axis=1) >= config.min_support
    return [closure for closure, is_enough in zip(closures, enough, strict=True) if is_enough]


def _place(closure: Closure, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    if closure.earlier is not None:
        return positions[closure.earlier]
    assert closure.keyframe.pose is not None
    return closure.keyframe.pose.position_m
