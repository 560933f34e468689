"""Ends what the tests have started when their run ends, however it ends; a plugin of pytest.

Each run has a mark of its own in its environment, which every process that a test starts inherits,
and so do that process's own children. One process of the guard, in a session of its own so that
Ctrl-C does not reach it, waits for the end of the run and kills whatever still bears the mark.
A run that ends by itself fails if it has left a process behind.
"""

import os
import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest

VARIABLE = 'GHOST_VPR_TEST_RUN'
PATIENCE_S = 5.0
_YOUNG_S = 1.0
ENDS_WITH_US = 'multiprocessing.resource_tracker'
"""A process of Python's own, which ends with the one that it belongs to."""

MARK = pytest.StashKey[str]()
GUARD = pytest.StashKey[subprocess.Popen]()
LEFT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Mark the run and start its guard; pytest-xdist's workers belong to the run that has one."""
    if hasattr(config, 'workerinput'):
        return
    mark = uuid.uuid4().hex
    os.environ[VARIABLE] = ' '.join([*os.environ.get(VARIABLE, '').split(), mark])
    # Like Ctrl-C: fixtures end what they have started, temporary folders go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.stash[MARK] = mark
    config.stash[GUARD] = subprocess.Popen(
        [sys.executable, __file__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail when a process is left; pytest-xdist has ended its workers by now."""
    if GUARD not in session.config.stash or exitstatus == pytest.ExitCode.INTERRUPTED:
        return
    guard = session.config.stash[GUARD]
    started = [
        process
        for process in marked(session.config.stash[MARK])
        if process.pid != guard.pid and ENDS_WITH_US not in _description(process)
    ]
    _, left = psutil.wait_procs(started, PATIENCE_S)
    if left:
        session.config.stash[LEFT] = [_description(process) for process in left]
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the processes that are left."""
    for process in terminalreporter.config.stash.get(LEFT, []):
        terminalreporter.write_line(f'left behind by a test and killed: {process}', red=True)


def marked(mark: str) -> list[psutil.Process]:
    """The processes that run with this mark in their environment; never this one."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and mark in _marks(process)
    ]


def _marks(process: psutil.Process) -> list[str]:
    try:
        found = process.environ()
        if not found and time.time() - process.create_time() < _YOUNG_S:
            # Between its start and its program a process shows no environment for a moment.
            time.sleep(_YOUNG_S / 10.0)
            found = process.environ()
        return found.get(VARIABLE, '').split()
    except psutil.Error:
        return []


def _description(process: psutil.Process) -> str:
    try:
        return f'{process.pid} {" ".join(process.cmdline())}'
    except psutil.Error:
        return f'{process.pid}'


def guard(mark: str) -> None:
    """Wait until the run has ended, which closes our standard input, and kill what it has left."""
    sys.stdin.read()
    while left := marked(mark):
        for process in left:
            process.kill()
        psutil.wait_procs(left, PATIENCE_S)


if __name__ == '__main__':
    guard(sys.argv[1])
