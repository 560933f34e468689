"""The evidence of consistent matches for a place, learned from right and wrong candidates.

Numbers for the shipped network are printed by

    GHOST_VPR_DATA=DATA python -m benchmarks.verifiers --pairs 120 --out verifiers.json

which learns on the training splits of `gsv_cambridge` (right pairs within 10 m in one heading,
wrong ones the two most similar beyond 50 m) and of `bgu_campus` (night against day).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FREE_INLIERS = 8
"""Eight points determine a fundamental matrix: as many agree at any wrong place."""


@dataclass(frozen=True)
class InlierEvidence:
    """Logistic in the inliers above `FREE_INLIERS`; right and wrong equally likely before.

    Attributes:
        constant: logarithm of the ratio up to `FREE_INLIERS`.
        slope: its rise with each further inlier.
        cap: largest ratio and, turned over, the smallest; no more than the samples can show.
        min_inliers: least number that at most 1 % of the wrong pairs reach.
    """

    constant: float
    slope: float
    cap: float
    min_inliers: int

    def likelihood_ratio(self, inliers: int) -> float:
        """p(inliers | right) / p(inliers | wrong); 1 where verification did not run (-1)."""
        if inliers < 0:
            return 1.0
        logarithm = self.constant + self.slope * max(inliers - FREE_INLIERS, 0)
        return math.exp(min(max(logarithm, -math.log(self.cap)), math.log(self.cap)))


LEARNED = {
    'sift': InlierEvidence(-0.34, 0.69, 240.0, 11),
    'orb': InlierEvidence(-0.23, 1.01, 240.0, 10),
    'network': InlierEvidence(-1.29, 0.04, 240.0, 89),
}
"""By kind of local features, at the default settings; `network` is the shipped one, 24 x 24 cells.

Its inliers grow with the cells: a network of another size needs `min_inliers`, or learning again.
"""
