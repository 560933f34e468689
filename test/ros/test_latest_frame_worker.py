"""The worker: newest frame only, one thread, a clean end."""

import threading

from ghost_vpr_ros.ros.latest_frame_worker import LatestFrameWorker

PATIENCE_S = 60.0


class Gate:
    """A `process` that waits inside each frame until it is let through."""

    def __init__(self):
        self.seen = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, frame):
        self.seen.append(frame)
        self.entered.release()
        assert self.open.acquire(timeout=PATIENCE_S)


def test_frames_that_are_overtaken_are_never_processed():
    gate = Gate()
    worker = LatestFrameWorker(gate, on_error=lambda error: None)
    worker.offer(1)
    assert gate.entered.acquire(timeout=PATIENCE_S)
    overtook = [worker.offer(n) for n in (2, 3, 4)]
    gate.open.release(2)
    assert gate.entered.acquire(timeout=PATIENCE_S)
    worker.stop()
    assert gate.seen == [1, 4]
    assert overtook == [False, True, True]


def test_stop_finishes_the_frame_in_progress_and_gives_up_the_waiting_one():
    gate = Gate()
    worker = LatestFrameWorker(gate, on_error=lambda error: None)
    worker.offer(1)
    assert gate.entered.acquire(timeout=PATIENCE_S)
    worker.offer(2)
    threading.Timer(0.1, gate.open.release).start()
    worker.stop()
    assert gate.seen == [1]
    assert 'latest_frame_worker' not in [t.name for t in threading.enumerate()]


def test_an_error_in_one_frame_is_reported_and_the_next_is_processed():
    done = threading.Event()
    errors = []

    def process(frame):
        if frame == 'bad':
            raise ValueError(frame)
        done.set()

    def on_error(error):
        errors.append(str(error))
        worker.offer('good')

    worker = LatestFrameWorker(process, on_error)
    worker.offer('bad')
    assert done.wait(PATIENCE_S)
    worker.stop()
    assert errors == ['bad']


def test_stop_without_any_frame_returns():
    seen = []
    LatestFrameWorker(seen.append, on_error=seen.append).stop()
    assert seen == []
