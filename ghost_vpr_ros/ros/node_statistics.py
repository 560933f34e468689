"""What the node counts, and how it looks on `/diagnostics`."""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from ghost_vpr_ros.core.datatypes import Hypothesis

_WINDOW = 200


class Statistics:
    """Counters since the start and durations of the latest frames; safe to use from any thread.

    Attributes:
        is_receiving: whether images arrived between the last two calls of `values`.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin to count; `now_s` is a steady clock in seconds."""
        self._now_s = now_s
        self._last_s = now_s()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._age_ms: deque[float] = deque(maxlen=_WINDOW)
        self._inference_ms: deque[float] = deque(maxlen=_WINDOW)
        self._received_before = 0
        self.is_receiving = False

    def count(self, event: str, number: int = 1) -> None:
        """Add to one of the counters that `values` shows."""
        with self._lock:
            self._counts[event] += number

    def add_answer(self, hypothesis: Hypothesis, age_ms: float) -> None:
        """Count one answer; `age_ms` is the age of the image's stamp when it was answered."""
        with self._lock:
            self._answers[f'{hypothesis.state.value} {hypothesis.reason.value}'] += 1
            self._age_ms.append(age_ms)
            if hypothesis.stage_ms:
                self._inference_ms.append(sum(hypothesis.stage_ms.values()))

    def values(self) -> dict[str, str]:
        """All figures as text; the input rate is that since the call before."""
        with self._lock:
            received = self._counts['received']
            rate_hz = self._rate_hz(received)
            self.is_receiving = rate_hz > 0.0
            return {
                'input rate [Hz]': f'{rate_hz:.1f}',
                'stamp age p50 [ms]': _percentile(self._age_ms, 50),
                'inference p50 [ms]': _percentile(self._inference_ms, 50),
                'inference p95 [ms]': _percentile(self._inference_ms, 95),
                'frames received': str(received),
                'frames answered': str(self._answers.total()),
                'frames dropped (overtaken)': str(self._counts['overtaken']),
                'frames lost in transport': str(self._counts['lost']),
                'bad images': str(self._counts['bad_images']),
                'odometry received': str(self._counts['odometry']),
                'bad odometry': str(self._counts['bad_odometry']),
                'fixes received': str(self._counts['fixes']),
                'bad fixes': str(self._counts['bad_fixes']),
                'late images': str(self._counts['late_images']),
                'clock resets': str(self._counts['clock_resets']),
                'failures': str(self._counts['failures']),
                'memory [MiB]': f'{memory_mib():.0f}',
                **{f'answers {kind}': str(n) for kind, n in sorted(self._answers.items())},
            }

    def _rate_hz(self, received: int) -> float:
        """By the time that has really passed: timers are late and their period may change."""
        now_s = self._now_s()
        rate_hz = (received - self._received_before) / max(now_s - self._last_s, 1e-3)
        self._received_before, self._last_s = received, now_s
        return rate_hz


def diagnostics_message(
    header: Header, node_name: str, values: Mapping[str, str], problem: str
) -> DiagnosticArray:
    """`/diagnostics` of the node: OK, or WARN with the problem in words.

    Args:
        header: time of the report; a report belongs to no single image.
        node_name: name that operators see.
        values: figures in words.
        problem: why this is a warning; empty when all is well.
    """
    status = DiagnosticStatus(name=f'{node_name}: recognition', hardware_id=node_name)
    status.level = DiagnosticStatus.WARN if problem else DiagnosticStatus.OK
    status.message = problem or 'answering'
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticArray(header=header, status=[status])


def memory_mib() -> float:
    """Resident memory of this process, or its peak where the system does not tell the present."""
    statm = Path('/proc/self/statm')
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _percentile(values: deque[float], percent: float) -> str:
    return f'{np.percentile(values, percent):.1f}' if values else 'nan'
