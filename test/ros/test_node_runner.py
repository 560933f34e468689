"""Signals while the node loads, and after."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import signal, sys, time
from ghost_vpr_ros.ros.node_runner import StopRequest
stop = StopRequest()
stop.on_signals()
with stop.at_once():
    pass
with stop.at_once():
    print('loading', flush=True)
    time.sleep(float(sys.argv[1]))
print('loaded', flush=True)
sys.exit(stop.wait() + 5)
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(('loads_s', 'expected'), [(3600.0, 0), (0.0, 5)])
def test_a_signal_ends_the_process_at_once_while_it_loads(number, loads_s, expected):
    """Later it requests an orderly end."""
    process = subprocess.Popen(
        [sys.executable, '-c', SCRIPT, str(loads_s)], stdout=subprocess.PIPE, text=True
    )
    try:
        lines = [process.stdout.readline()]
        if loads_s == 0.0:
            lines.append(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(60) == expected
    finally:
        process.kill()
        process.stdout.close()
