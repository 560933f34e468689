"""A thread that always works on the newest frame and drops those it cannot keep up with.

A queue would give answers about places that the robot left long ago.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

FrameT = TypeVar('FrameT')


class LatestFrameWorker(Generic[FrameT]):
    """Calls `process` for the newest frame, `on_error` for what escapes from it, until stopped."""

    def __init__(
        self, process: Callable[[FrameT], object], on_error: Callable[[Exception], None]
    ) -> None:
        self._process = process
        self._on_error = on_error
        self._condition = threading.Condition()
        self._latest: FrameT | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name='latest_frame_worker', daemon=True)
        self._thread.start()

    def offer(self, frame: FrameT) -> bool:
        """Store the frame and return at once; True if it replaced an older one."""
        with self._condition:
            overtook = self._latest is not None
            self._latest = frame
            self._condition.notify()
        return overtook

    def stop(self) -> None:
        """Return when the frame in progress is finished; a waiting one is dropped."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while (frame := self._take()) is not None:
            try:
                self._process(frame)
            except Exception as error:
                # The thread must survive a defect in one frame; the callback reports it.
                self._on_error(error)

    def _take(self) -> FrameT | None:
        """The newest frame, or None when the worker is to stop."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._latest is not None)
            frame, self._latest = self._latest, None
            return None if self._stopping else frame
