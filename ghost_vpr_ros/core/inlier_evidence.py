"""What a number of consistent matches says for a place, learnt from right and wrong candidates.

The numbers were made, and are made again, by

    GHOST_VPR_DATA=DATA python benchmarks/inlier_evidence.py

on the validation split of `gsv_cambridge`: right pairs within 10 m in the same heading, wrong ones
the two that the shipped network finds most similar beyond 50 m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class InlierEvidence:
    """Logistic function of log(1 + inliers), right and wrong equally likely before.

    Attributes:
        middle: log(1 + inliers) at which right and wrong are equally likely.
        slope: rise of the logarithm of the ratio.
        cap: largest ratio and, turned over, the smallest; no more than the samples can show.
        min_inliers: least number that at most 1 % of the wrong pairs reach.
    """

    middle: float
    slope: float
    cap: float
    min_inliers: int

    def likelihood_ratio(self, inliers: int) -> float:
        """p(inliers | right) / p(inliers | wrong); 1 where verification did not run (-1)."""
        if inliers < 0:
            return 1.0
        logarithm = self.slope * (math.log1p(inliers) - self.middle)
        return math.exp(min(max(logarithm, -math.log(self.cap)), math.log(self.cap)))


LEARNT = {
    'sift': InlierEvidence(2.2, 3.0, 250.0, 11),
    'orb': InlierEvidence(2.0, 3.0, 250.0, 9),
}
"""By kind of local features, at the default settings. Provisional: chosen by hand, not yet learnt."""
