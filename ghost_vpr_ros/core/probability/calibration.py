"""A calibration from a validation drive: the probability of a margin, and a threshold.

It is stored in the map, so that the robot needs no further file. Without one the recogniser
judges by its own keyframes (`likelihood.py`), which is conservative.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.core.probability.likelihood import logistic

CALIBRATION_SCHEMA = 1
"""Stored with each calibration; a newer one is refused."""

_SHARES = (
    'min_probability',
    'stated_precision',
    'achieved_precision',
    'precision_lower_bound',
    'achieved_recall',
    'unknown_share',
)


@dataclass(frozen=True)
class Calibration:
    """A logistic function of the margin (Platt scaling), and a threshold on final probabilities.

    Attributes:
        slope: of the logistic function, for each unit of margin; positive.
        intercept: of the logistic function, at margin 0.
        right_similarity: least similarity, at the 10th percentile, of right matches.
        min_probability: the final probability from which a place is accepted, 0 to 1.
        stated_precision: target share of right answers among the accepted, 0 to 1.
        achieved_precision: the share on the validation drive, with `unknown_share` counted in.
        precision_lower_bound: one-sided 95 % Wilson bound of `achieved_precision`.
        achieved_recall: share of the frames with a place in the map that are accepted and right.
        num_accepted: answers at or above the threshold, those of hidden places included.
        num_right: right examples that the logistic function was fitted on.
        num_wrong: wrong examples, those of hidden places included.
        num_frames: frames of the drive whose place is known.
        unknown_share: share of unknown places that hidden ones were weighted to; 0: none hidden.
        group_radius_m: radius of the margins; with another one the calibration does not apply.
        positive_distance_m: an answer this near was counted as right.
        learnt_on: the drive.
        model_hash: of the model that made the map.
    """

    by_similarity: ClassVar[bool] = False

    slope: float
    intercept: float
    right_similarity: float
    min_probability: float
    stated_precision: float
    achieved_precision: float
    precision_lower_bound: float
    achieved_recall: float
    num_accepted: int
    num_right: int
    num_wrong: int
    num_frames: int
    unknown_share: float
    group_radius_m: float
    positive_distance_m: float
    learnt_on: str
    model_hash: str

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise _bad(name, 'a number from 0 to 1', getattr(self, name))
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise _bad(each.name, 'a finite number', value)
        for name in ('slope', 'group_radius_m', 'positive_distance_m'):
            if getattr(self, name) <= 0.0:
                raise _bad(name, 'a positive number', getattr(self, name))
        if not -1.0 <= self.right_similarity <= 1.0:
            raise _bad('right_similarity', 'a number from -1 to 1', self.right_similarity)
        for name in ('num_accepted', 'num_right', 'num_wrong', 'num_frames'):
            if getattr(self, name) < 0:
                raise _bad(name, 'a number from 0 up', getattr(self, name))

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability (n,) that a match of margin (n,) is right; NaN stays NaN."""
        return logistic(self.slope * margin + self.intercept)

    def to_json(self) -> str:
        """One JSON object: `schema` and every attribute."""
        return json.dumps({'schema': CALIBRATION_SCHEMA, **dataclasses.asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote.

        Raises:
            CalibrationError: no JSON object, another schema, or a value is missing, unknown, of
                another type or out of its range.
        """
        values = _object(text)
        schema = values.pop('schema', None)
        if schema != CALIBRATION_SCHEMA:
            raise _bad('schema', f'{CALIBRATION_SCHEMA}, as this version reads', schema)
        hints = get_type_hints(cls)
        kinds = {item.name: hints[item.name] for item in dataclasses.fields(cls)}
        if set(values) != set(kinds):
            names = ', '.join(sorted(set(values) ^ set(kinds)))
            raise CalibrationError(
                f'the calibration is unreadable: missing or unknown {names}; calibrate again'
            )
        return cls(**{name: _typed(name, kinds[name], value) for name, value in values.items()})


def _object(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise CalibrationError(
            f'the calibration is unreadable ({error}); calibrate again'
        ) from error
    if not isinstance(values, dict):
        raise _bad('content', 'a JSON object', values)
    return values


def _typed(name: str, kind: type, value: Any) -> Any:
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise _bad(name, f'a value of type {kind.__name__}', value)
    try:
        return kind(value)
    except OverflowError as error:
        raise _bad(name, 'a number that a double can hold', f'{str(value)[:20]}...') from error


def _bad(name: str, expected: str, found: Any) -> CalibrationError:
    return CalibrationError(
        f'the calibration is unusable: {name}: expected {expected}, found {found!r}; '
        'calibrate again'
    )
