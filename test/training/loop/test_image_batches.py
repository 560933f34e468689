"""Images on their way to the network: in order, read once, and as preprocessing has them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.preprocessing import preprocess
from training.loop.image_batches import ImageStore, InputMaker, load_ahead

SMALL = PreprocessingConfig(width_px=40, height_px=32)
CPU = torch.device('cpu')


class Photos:
    """Five random photos; how often each was read is counted."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.images = [rng.integers(0, 255, (48, 50, 3), np.uint8) for _ in range(5)]
        self.reads: Counter[int] = Counter()
        self.frames = [Frame(str(row), lambda row=row: self.read(row)) for row in range(5)]

    def read(self, row: int) -> np.ndarray:
        self.reads[row] += 1
        return self.images[row]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as threads:
        yield threads


def test_inputs_are_those_of_preprocessing(pool: ThreadPoolExecutor) -> None:
    photos = Photos()
    store = ImageStore(photos.frames, SMALL, CPU, 1.0, pool)
    (pixels,) = store.pixels([np.array([3, 1])])
    inputs = InputMaker(SMALL, CPU)(pixels)
    expected = np.concatenate([preprocess(photos.images[row], SMALL) for row in (3, 1)])
    assert np.array_equal(inputs.numpy(), expected)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(('limit_gb', 'reads'), [(1.0, 1), (0.0, 2)])
def test_images_are_kept_up_to_a_limit(
    limit_gb: float, reads: int, pool: ThreadPoolExecutor
) -> None:
    photos = Photos()
    store = ImageStore(photos.frames, SMALL, CPU, limit_gb, pool)
    batches = [np.array([0, 4]), np.array([2]), np.array([1, 3])]
    first = [batch.clone() for batch in store.pixels(batches)]
    again = list(store.pixels(batches))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert [len(batch) for batch in again] == [2, 1, 2]
    assert set(photos.reads.values()) == {reads}


def test_batches_keep_their_order_whatever_is_kept(pool: ThreadPoolExecutor) -> None:
    photos = Photos()
    store = ImageStore(photos.frames, SMALL, CPU, 1.0, pool)
    list(store.pixels([np.array([1]), np.array([3])]))
    mixed = torch.cat(list(store.pixels([np.array([0, 1]), np.array([3]), np.array([4, 1, 2])])))
    plain = ImageStore(photos.frames, SMALL, CPU, 0.0, pool)
    assert torch.equal(mixed, *plain.pixels([np.array([0, 1, 3, 4, 1, 2])]))


def test_an_unreadable_image_is_named(pool: ThreadPoolExecutor) -> None:
    def load(row: int) -> np.ndarray:
        if row == 7:
            raise ImageError('photo 7: truncated')
        return np.zeros((2, 2, 3), np.uint8)

    batches = load_ahead([[1], [2], [7], [3]], load, pool)
    assert len(next(batches)) == 1
    with pytest.raises(ImageError, match='photo 7'):
        list(batches)


def test_no_batches(pool: ThreadPoolExecutor) -> None:
    assert list(load_ahead([], lambda row: np.zeros((1, 1, 3), np.uint8), pool)) == []
