"""Selects the answers that become closures of a pose graph.

If local features relate both cameras, the closure is their relative pose. Otherwise it places the
query at the keyframe, with the covariance of the hypothesis and a roughly known heading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ghost_vpr_ros.core.datatypes import Hypothesis, Keyframe, Pose


@dataclass(frozen=True)
class Closure:
    """The image of a query was taken at a keyframe.

    Attributes:
        query: number of the image.
        keyframe: that it matched.
        earlier: number of the image of the same drive that the keyframe is, or None for one of
            another drive: then it is fixed at its position in the map.
        sigma_m: standard deviation of the horizontal position.
        height_sigma_m: standard deviation of the height.
        relative: pose of the query in the keyframe's frame, with its covariance, where local
            features give it.
    """

    query: int
    keyframe: Keyframe
    earlier: int | None
    sigma_m: float
    height_sigma_m: float
    relative: Pose | None = None

    @property
    def place(self) -> Pose:
        """The keyframe's pose, which every closure has."""
        assert self.keyframe.pose is not None
        return self.keyframe.pose


def closures_of(hypotheses: Sequence[Hypothesis], own_session: str) -> list[Closure]:
    """The closures of all accepted hypotheses that add information, with a covariance.

    Args:
        hypotheses: of the images of a drive, in their order.
        own_session: of the map that this drive filled: its keyframes are images of the drive.
    """
    image_at = {hypothesis.stamp_ns: number for number, hypothesis in enumerate(hypotheses)}
    closures = []
    for query, hypothesis in enumerate(hypotheses):
        found, pose = hypothesis.closure, hypothesis.pose
        if found is not None and pose is not None and found.keyframe.pose is not None:
            is_own = found.keyframe.session == own_session
            earlier = image_at[found.keyframe.stamp_ns] if is_own else None
            sigma_m, height_sigma_m = _sigmas(pose, found.keyframe)
            relative = found.keyframe_T_query if found.inliers >= 0 else None
            closures.append(
                Closure(query, found.keyframe, earlier, sigma_m, height_sigma_m, relative)
            )
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
