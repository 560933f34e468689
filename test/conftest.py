"""What every test shares: threads, data folder, cache, and a ROS domain on this machine only."""

import os
import tempfile
from pathlib import Path

import pytest

pytest_plugins = ['test.process_guard']

# Set when the tests are collected, before anything starts ROS or loads torch; processes of a test
# inherit it. Each worker of pytest-xdist, gw0, gw1 and so on, has a domain of its own.
_WORKER = os.environ.get('PYTEST_XDIST_WORKER', '')
_RUN = os.getppid() if _WORKER else os.getpid()
os.environ['ROS_DOMAIN_ID'] = str(1 + (_RUN + int(_WORKER[2:] or 0)) % 100)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'

# One thread for each worker: more of them only wait for each other.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# Exported networks: none of the user's are used, and none are left behind.
_CACHE = tempfile.TemporaryDirectory(prefix='ghost_vpr_test_')
os.environ['GHOST_VPR_CACHE'] = _CACHE.name


@pytest.fixture(scope='session')
def data_dir() -> Path:
    """The folder of real data that GHOST_VPR_DATA names; the test is skipped without it."""
    name = os.environ.get('GHOST_VPR_DATA')
    if not name or not Path(name).is_dir():
        pytest.skip('needs the data folder: set GHOST_VPR_DATA')
    return Path(name)
