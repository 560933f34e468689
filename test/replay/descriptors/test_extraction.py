"""Descriptors of many frames: order, batches, progress."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.replay.descriptors import extraction
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from test.core.model.tiny_model import pictures, tiny_model


@pytest.fixture(scope='module')
def model():
    return tiny_model()


@pytest.fixture(scope='module')
def engine(model):
    return create_engine(model)


def frames(count: int) -> list[Frame]:
    images = pictures(count, seed=3)
    return [Frame(f'{i}.png', lambda image=image: image) for i, image in enumerate(images)]


@pytest.mark.parametrize('count', [1, 3, 8, 9, 17])
def test_row_i_describes_frame_i_whatever_the_batches(model, engine, count):
    found = extract_descriptors(frames(count), model, engine)
    one_by_one = [
        engine.describe(pixel_batch(f.load(), model.preprocessing)) for f in frames(count)
    ]
    assert found.shape == (count, model.descriptor_dim)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.concatenate(one_by_one), atol=1e-5)


@pytest.mark.parametrize('batch_size', [1, 2, 5])
def test_the_size_of_a_batch_does_not_matter(model, engine, batch_size, monkeypatch):
    expected = extract_descriptors(frames(7), model, engine)
    monkeypatch.setattr(extraction, 'BATCH_SIZE', batch_size)
    np.testing.assert_allclose(extract_descriptors(frames(7), model, engine), expected, atol=1e-5)


def test_inputs_of_different_sizes_are_described_one_size_at_a_time(model):
    """Two of 64 x 64, one of 96 x 64, one of 64 x 64 again: in their order."""
    shown = [*pictures(4, seed=3)]
    shown[2] = np.concatenate([shown[2], shown[2][:32]])
    mixed = [Frame(str(n), lambda image=image: image) for n, image in enumerate(shown)]
    own = replace(model.preprocessing, fit='own')
    engine = create_engine(model, EngineConfig(engine='torch'))
    counts: list[int] = []
    found = extract_descriptors(mixed, model, engine, preprocessing=own, progress=counts.append)
    expected = np.concatenate([engine.describe(image[np.newaxis]) for image in shown])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert counts == [2, 1, 1]


def test_images_of_different_sizes_share_a_batch(model, engine):
    images = [np.full((50 + 10 * i, 70, 3), 40 * i, np.uint8) for i in range(3)]
    mixed = [Frame(str(i), lambda image=image: image) for i, image in enumerate(images)]
    assert extract_descriptors(mixed, model, engine).shape == (3, model.descriptor_dim)


def test_progress_counts_every_frame_once(model, engine):
    counts: list[int] = []
    extract_descriptors(frames(17), model, engine, progress=counts.append)
    assert counts == [8, 8, 1]


def test_no_frame_gives_no_row(model, engine):
    assert extract_descriptors([], model, engine).shape == (0, model.descriptor_dim)


def test_each_image_is_read_once(model, engine):
    reads: list[str] = []

    def counted(name: str) -> Frame:
        return Frame(name, lambda: reads.append(name) or pictures(1)[0])

    extract_descriptors([counted('a'), counted('b')], model, engine)
    assert reads == ['a', 'b']


def test_an_image_that_cannot_be_read_stops_with_its_name(model, engine):
    def fail() -> np.ndarray:
        raise ImageError('3.jpg: not an image')

    with pytest.raises(ImageError, match=r'3\.jpg'):
        extract_descriptors([*frames(2), Frame('3.jpg', fail)], model, engine)
