"""Waiting for answers to images that arrived after a question was asked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from ghost_vpr_ros.core.datatypes import Hypothesis, State
from ghost_vpr_ros.core.geodesy import horizontal_distance_m


class FreshAnswers:
    """Hands the answers of the worker thread to a thread that waits for them."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._since_ns: int | None = None
        self._collected: list[Hypothesis] = []
        self._closed = False

    def add(self, hypothesis: Hypothesis, received_ns: int) -> None:
        """Offer the answer to an image that arrived at `received_ns` on the monotonic clock."""
        with self._condition:
            if self._since_ns is not None and received_ns >= self._since_ns:
                self._collected.append(hypothesis)
                self._condition.notify_all()

    def wait_for(self, count: int, timeout_s: float) -> list[Hypothesis]:
        """The next `count` answers to images that arrive from now on; fewer after the timeout."""
        with self._condition:
            self._since_ns = time.monotonic_ns()
            self._collected = []
            self._condition.wait_for(
                lambda: self._closed or len(self._collected) >= count, timeout_s
            )
            self._since_ns = None
            return self._collected[:count]

    def forget(self) -> None:
        """Drop what was collected: whoever waits gets only answers from now on."""
        with self._condition:
            self._collected.clear()

    def close(self) -> None:
        """Let go of whoever waits, and of whoever is going to."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


def judge(answers: Sequence[Hypothesis], count: int, radius_m: float) -> tuple[bool, str]:
    """Whether the answers are reliable, and a sentence that says why.

    Args:
        answers: answers to fresh images.
        count: how many were wanted.
        radius_m: accepted poses within this distance of the last one agree.
    """
    if len(answers) < count:
        return False, (
            f'not reliable: {len(answers)} of {count} fresh images were answered in time; '
            'is the camera running, and is the image topic the right one?'
        )
    refused = Counter(a.reason.value for a in answers if a.state is not State.ACCEPTED)
    if refused:
        reasons = ', '.join(f'{n} x {reason}' for reason, n in refused.items())
        return False, f'not reliable: {count - refused.total()} of {count} accepted ({reasons})'
    spread_m = max(_distance_m(a, answers[-1]) for a in answers)
    if spread_m > radius_m:
        return False, f'not reliable: {count} accepted answers lie up to {spread_m:.1f} m apart'
    return True, f'reliable: {count} of {count} accepted, {_place(answers[-1])}'


def _distance_m(a: Hypothesis, b: Hypothesis) -> float:
    """Between the poses; 0 for maps without positions, where acceptance is all there is."""
    if a.pose is None or b.pose is None:
        return 0.0
    return float(horizontal_distance_m(a.pose.position_m, b.pose.position_m))


def _place(answer: Hypothesis) -> str:
    best = answer.candidates[0].keyframe
    where = f'keyframe {best.keyframe_id} of session {best.session!r}'
    if answer.pose is None:
        return where
    x, y, z = answer.pose.position_m
    return f'{where}, x {x:.2f} y {y:.2f} z {z:.2f} m in the map'
