import pytest

from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.drive import SampleTown

SMALL = {'width_px': 128, 'height_px': 96, 'blocks': (1, 1), 'frames': 120}


@pytest.fixture(scope='session')
def small_town() -> SampleTown:
    """A town of one block; its drives have 120 images of 128 x 96."""
    return SampleTown(TownConfig(seed=4, **SMALL))


@pytest.fixture(scope='session')
def first_drive(small_town):
    """The first drive of the small town."""
    return small_town.drive(0)
