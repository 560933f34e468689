"""No process outlives the tests: not those of a run that ends, nor of one that is interrupted."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent
PATIENCE_S = 300.0

# A child with a child of its own, in another session: neither Ctrl-C nor its parent ends it.
STARTS_PROCESSES = """
import subprocess, sys, threading
from pathlib import Path
INNER = 'import time; time.sleep(1000)'
OUTER = f'import subprocess, sys; print(subprocess.Popen([sys.executable, "-c", {INNER!r}]).pid)'

def test_that_starts_processes():
    command = [sys.executable, '-c', OUTER + '; sys.stdout.flush(); ' + INNER]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    sys.__stderr__.write(f'{child.pid} {child.stdout.readline()}')
    sys.__stderr__.flush()
    WAITS
"""


USES_MULTIPROCESSING = """
from multiprocessing import resource_tracker

def test_that_shares_memory():
    resource_tracker.ensure_running()
"""


def start(folder: Path, *options: str, waits: bool) -> subprocess.Popen:
    """A run over the test that starts processes; with `waits` it does not end."""
    last_line = 'threading.Event().wait(1000)' if waits else ''
    return run_pytest(folder, STARTS_PROCESSES.replace('WAITS', last_line), *options)


def run_pytest(folder: Path, source: str, *options: str) -> subprocess.Popen:
    """A run of pytest with the guard over one file of tests."""
    file = folder / 'test_of_this_run.py'
    file.write_text(source)
    return subprocess.Popen(
        [sys.executable, '-m', 'pytest', '-s', '-p', 'test.process_guard', *options, str(file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A run in the background of a shell would hand down that it ignores SIGINT.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def started_by(run: subprocess.Popen) -> list[psutil.Process]:
    """The child of the run's test and the child's child."""
    return [psutil.Process(int(word)) for word in run.stderr.readline().split()]


def survivors(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that do not end, whoever is asked to wait for them."""
    return psutil.wait_procs(processes, PATIENCE_S)[1]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, waits=True) as run:
        started = started_by(run)
        assert len(started) == 2 and all(process.is_running() for process in started)
        run.send_signal(number)
        assert survivors(started) == []
        assert run.wait(PATIENCE_S) != 0


def test_a_run_of_workers_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    pytest.importorskip('xdist')
    with start(tmp_path, '-n', '1', waits=True) as run:
        started = started_by(run)
        run.kill()
        assert survivors(started) == []


@pytest.mark.slow
def test_a_run_that_leaves_a_process_fails_and_names_it(tmp_path: Path) -> None:
    with start(tmp_path, waits=False) as run:
        started = started_by(run)
        output, _ = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == pytest.ExitCode.TESTS_FAILED and '1 passed' in output
        assert f'left behind by a test and killed: {started[1].pid} ' in output
        assert survivors(started) == []


def test_what_python_starts_for_itself_is_not_left_behind(tmp_path: Path) -> None:
    with run_pytest(tmp_path, USES_MULTIPROCESSING) as run:
        output, _ = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, output
