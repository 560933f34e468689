"""What local features verified at the last frame used as evidence, for frames that repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ghost_vpr_ros.core.datatypes import Candidate
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate


class VerifiedBefore:
    """The last verification, which holds as long as the camera has hardly moved.

    A robot at rest, and the frames between two that count as evidence, need no local features.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._checked: dict[int, VerifiedCandidate] = {}

    def forget(self) -> None:
        """Verify the next frame anew."""
        self._checked = {}

    def keep(self, verified: Sequence[VerifiedCandidate]) -> None:
        """Remember the candidates that were checked, whether or not they passed."""
        checked = [each for each in verified if each.candidate.inliers >= 0]
        self._checked = {each.candidate.keyframe.keyframe_id: each for each in checked}

    def again(
        self, candidates: Sequence[Candidate], rival: int | None
    ) -> list[VerifiedCandidate] | None:
        """The candidates of a frame that repeats the last one, with what was found then.

        Without relative poses, which would be those of the earlier image.

        Args:
            candidates: best first; at least one.
            rival: number of the candidate elsewhere that must be known, too; None: there is none.

        Returns:
            None where the best one was not verified then, or the rival not checked.
        """
        needed = [candidates[0], *([] if rival is None else [candidates[rival]])]
        known = [self._checked.get(each.keyframe.keyframe_id) for each in needed]
        if known[0] is None or not known[0].is_verified or None in known:
            return None
        return [self._as_then(each) for each in candidates]

    def _as_then(self, candidate: Candidate) -> VerifiedCandidate:
        then = self._checked.get(candidate.keyframe.keyframe_id)
        if then is None:
            return VerifiedCandidate(candidate)
        return VerifiedCandidate(
            replace(candidate, inliers=then.candidate.inliers),
            then.cells,
            then.is_verified,
            then.likelihood_ratio,
        )
