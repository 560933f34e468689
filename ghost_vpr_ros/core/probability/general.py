"""The general likelihood of a network, for maps that are too small to learn their own.

`python -m training.general_calibration` learns it on training places and writes it beside the
weights. It is conservative: it gives even odds to the most similar of all wrong matches there, and
less to less similar ones.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.core.probability.likelihood import logistic

FILES = 'general_calibration*.json'
"""One file for each network of the folder."""


@dataclass(frozen=True)
class GeneralCalibration:
    """A logistic function of the similarity itself.

    Attributes:
        slope: of the logistic function, for each unit of similarity; positive.
        intercept: of the logistic function, at similarity 0.
        right_similarity: least similarity, at the 10th percentile, of right matches.
        num_right: right matches that it was learned on.
        num_wrong: wrong matches.
        learnt_on: the training places.
        model_hash: of the network.
    """

    by_similarity: ClassVar[bool] = True

    slope: float
    intercept: float
    right_similarity: float
    num_right: int
    num_wrong: int
    learnt_on: str
    model_hash: str

    def probability(self, similarity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability (n,) that a match of similarity (n,) is right; NaN stays NaN."""
        return logistic(self.slope * similarity + self.intercept)

    def to_json(self) -> str:
        """One JSON object of every attribute."""
        return json.dumps(asdict(self), indent=2) + '\n'


def general_calibration(folder: Path, model_hash: str) -> GeneralCalibration | None:
    """That of a network from the folder of its weights; None where that has none for it.

    Raises:
        CalibrationError: the file is unreadable.
    """
    for path in sorted(folder.glob(FILES)):
        try:
            found = GeneralCalibration(**json.loads(path.read_text('utf-8')))
        except (OSError, ValueError, TypeError) as error:
            raise CalibrationError(
                f'{path}: the general calibration is unreadable ({error}); install the package '
                'again'
            ) from error
        if found.model_hash == model_hash:
            return found
    return None
