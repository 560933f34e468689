"""The counters of the node, and their form on `/diagnostics`."""

from __future__ import annotations

import math
import resource
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from ghost_vpr_ros.core.datatypes import Hypothesis

_WINDOW = 200
_RECENT_S = 5.0


@dataclass(frozen=True)
class Recent:
    """What happened in the last seconds.

    Attributes:
        counts: events by name.
        answered: images that were answered.
        silent_s: since the last image, or since the node began to wait for one.
        sentences: the last complaint by event.
    """

    counts: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    silent_s: float = 0.0
    sentences: Mapping[str, str] = field(default_factory=dict)

    def sentence(self, event: str) -> str:
        """The last complaint of this kind."""
        return self.sentences.get(event, 'see the log')


class Statistics:
    """Counters since the start and durations of the latest frames; safe to use from any thread.

    Attributes:
        recent: what happened in the seconds before the last call of `values`.
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
        self._sentences: dict[str, str] = {}
        self._waiting_since_s = self._last_s
        self._snapshots: deque[tuple[float, Counter[str]]] = deque()
        self.recent = Recent()

    def begin_to_wait(self) -> None:
        """From now on images are expected."""
        with self._lock:
            self._waiting_since_s = self._now_s()
            self._snapshots.clear()

    def complain(self, event: str, sentence: str) -> None:
        """Count an event, and remember the sentence about it."""
        with self._lock:
            self._counts[event] += 1
            self._sentences[event] = sentence

    def count(self, event: str, number: int = 1) -> None:
        """Add to one of the counters that `values` shows."""
        with self._lock:
            self._counts[event] += number

    def add_answer(self, hypothesis: Hypothesis, age_ms: float) -> None:
        """Count one answer; `age_ms` is the age of the image's stamp when it was answered."""
        with self._lock:
            self._answers[f'{hypothesis.state.value} {hypothesis.reason.value}'] += 1
            if math.isfinite(age_ms):
                self._age_ms.append(age_ms)
            if hypothesis.stage_ms:
                self._inference_ms.append(sum(hypothesis.stage_ms.values()))

    def values(self) -> dict[str, str]:
        """All figures as text; the input rate is that since the call before."""
        with self._lock:
            received = self._counts['received']
            rate_hz = self._rate_hz(received)
            return {
                'input rate [Hz]': f'{rate_hz:.1f}',
                'stamp age p50 [ms]': _percentile(self._age_ms, 50),
                'inference p50 [ms]': _percentile(self._inference_ms, 50),
                'inference p95 [ms]': _percentile(self._inference_ms, 95),
                'frames received': str(received),
                'frames answered': str(self._answers.total()),
                'frames dropped (overtaken)': str(self._counts['overtaken']),
                'frames lost in transport': str(self._counts['lost']),
                'images that show nothing': str(self._counts['empty_images']),
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
        if rate_hz > 0.0:
            self._waiting_since_s = now_s
        self.recent = self._recent(now_s)
        self._received_before, self._last_s = received, now_s
        return rate_hz

    def _recent(self, now_s: float) -> Recent:
        """The counters minus those of some seconds ago."""
        counts = Counter(self._counts)
        counts['answered'] = self._answers.total()
        self._snapshots.append((now_s, counts))
        while len(self._snapshots) > 2 and self._snapshots[1][0] <= now_s - _RECENT_S:
            self._snapshots.popleft()
        began = self._snapshots[0][1] if len(self._snapshots) > 1 else Counter[str]()
        since = Counter({event: number - began[event] for event, number in counts.items()})
        silent_s = now_s - self._waiting_since_s
        return Recent(since, since['answered'], silent_s, dict(self._sentences))


def diagnostics_message(
    header: Header,
    node_name: str,
    values: Mapping[str, str],
    problem: str,
    level: bytes = DiagnosticStatus.WARN,
) -> DiagnosticArray:
    """`/diagnostics` of the node: OK, or a level and the problem in words.

    Args:
        header: time of the report; a report belongs to no single image.
        node_name: full name of the node, which no other one has.
        values: figures in words.
        problem: in words; empty where there is none.
        level: of the problem.
    """
    status = DiagnosticStatus(name=f'{node_name}: recognition', hardware_id=node_name)
    status.level = level if problem else DiagnosticStatus.OK
    status.message = problem or 'answering'
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticArray(header=header, status=[status])


def memory_mib() -> float:
    """Resident memory of this process, or its peak where the current one is unknown."""
    statm = Path('/proc/self/statm')
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _percentile(values: deque[float], percent: float) -> str:
    return f'{np.percentile(values, percent):.1f}' if values else 'nan'
