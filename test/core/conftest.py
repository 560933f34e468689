"""What the tests of the core have in common."""

from pathlib import Path

import pytest

from ghost_vpr_ros.core.fleet.database import SharedAddress
from test.core.map_making import filled_map


@pytest.fixture
def fleet(tmp_path: Path) -> SharedAddress:
    return SharedAddress(str(tmp_path / 'fleet.db'))


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    filled_map(tmp_path / 'robot.map', 60)
    return tmp_path / 'robot.map'
