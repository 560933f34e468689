"""Wait for the answers to images that arrive after a request."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ghost_vpr_ros.core.datatypes import Hypothesis, State
from ghost_vpr_ros.core.geodesy import horizontal_distance_m


class FreshAnswers:
    """Collects answers of the worker thread for one request at a time; never blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._question: _Question | None = None
        self._closed = False

    def ask(self, count: int, done: Callable[[list[Hypothesis]], None]) -> None:
        """Pass the next `count` answers to images that arrive from now on to `done`.

        It is called once, on the thread that has the last answer or ends the request, with fewer
        answers if the request was ended early.
        """
        with self._lock:
            self._question = _Question(time.monotonic_ns(), count, done)
            closed = self._closed
        if closed:
            self.end()

    def add(self, hypothesis: Hypothesis, received_ns: int) -> None:
        """Offer the answer to an image that arrived at `received_ns` on the monotonic clock."""
        with self._lock:
            question = self._question
            if question is None or received_ns < question.since_ns:
                return
            question.collected.append(hypothesis)
            complete = len(question.collected) >= question.count
        if complete:
            self.end()

    def end(self) -> None:
        """Time is up: pass on the answers so far. Does nothing without a request."""
        with self._lock:
            question, self._question = self._question, None
        if question is not None:
            question.done(question.collected)

    def forget(self) -> None:
        """Drop collected answers: a waiting request gets only answers from now on."""
        with self._lock:
            if self._question is not None:
                self._question.collected.clear()

    def close(self) -> None:
        """Release the waiting request, and all later ones at once."""
        with self._lock:
            self._closed = True
        self.end()


@dataclass
class _Question:
    since_ns: int
    count: int
    done: Callable[[list[Hypothesis]], None]
    collected: list[Hypothesis] = field(default_factory=list)


def judge(answers: Sequence[Hypothesis], count: int, radius_m: float) -> tuple[bool, str]:
    """Whether the answers are reliable, and a sentence on why.

    Args:
        answers: answers to fresh images.
        count: how many were requested.
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
    """Greatest distance between the poses; 0 for maps without positions."""
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
