"""Stored descriptors are those that were written, for the frames that they were written for."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.config import DescribeConfig
from ghost_vpr_ros.replay.descriptors.plan import make_plan
from ghost_vpr_ros.replay.descriptors.shard_work import describe_shards
from ghost_vpr_ros.replay.descriptors.stored import StoredDescriptors
from test.core.model.tiny_model import tiny_model

FRAMES = [
    Frame(f'{n}.jpg', lambda n=n: np.full((48, 64, 3), 20 * n, np.uint8), stamp_ns=n)
    for n in range(6)
]


@pytest.fixture
def described(tmp_path):
    model = tiny_model(descriptor_dim=6)
    folder = tmp_path / 'described'
    (folder / 'shards').mkdir(parents=True)
    plan = make_plan(folder, 'walk', FRAMES, model, b'weights', DescribeConfig(shard_frames=4))
    describe_shards(plan, FRAMES, model, create_engine(model))
    return plan


def test_what_was_written_is_read(described):
    stored = StoredDescriptors(described.folder)
    whole = np.concatenate([described.load_shard(0), described.load_shard(1)])
    assert whole.shape == (6, 6)
    for number, frame in enumerate(FRAMES):
        np.testing.assert_array_equal(stored.of(frame), whole[number])


def test_a_shard_of_which_any_bit_has_changed_is_refused(described):
    path = described.path_of(0)
    whole = path.read_bytes()
    for place in range(0, 8 * len(whole), 7):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(SourceError, match=r'000000\.npy.*describe again'):
            StoredDescriptors(described.folder).row(0)


def test_a_list_of_images_that_has_changed_is_refused(described):
    path = described.folder / 'frames.csv'
    path.write_text(path.read_text().replace('1.jpg', '7.jpg'))
    with pytest.raises(SourceError, match='not as it was written'):
        StoredDescriptors(described.folder).of(FRAMES[0])
    path.unlink()
    with pytest.raises(SourceError, match='cannot be read'):
        StoredDescriptors(described.folder).of(FRAMES[0])


def test_shards_of_the_first_schema_are_read(described):
    plan = described.folder / 'descriptors.json'
    plan.write_text(plan.read_text().replace('"schema": 2', '"schema": 1'))
    expected = described.load_shard(1)
    np.testing.assert_array_equal(StoredDescriptors(described.folder).row(4), expected[0])
