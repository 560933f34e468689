from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, ImageError
from training.loop.augmentation import AugmentationConfig
from training.trunk.photo_views import Photos, ViewBatches, open_photos

PREPROCESSING = PreprocessingConfig(width_px=64, height_px=64)


def write_photos(folder: Path, grey: int, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        image = np.full((40, 40, 3), grey, np.uint8)
        assert cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


def batches(photos: Photos, **changes: int) -> ViewBatches:
    options = {'batch_size': 4, 'seed': 1, 'rank': 0, **changes}
    return ViewBatches(
        photos,
        [32, 64],
        options['batch_size'],
        options['seed'],
        AugmentationConfig(),
        PREPROCESSING,
        options['rank'],
    )


def test_weights_say_how_often_a_source_is_drawn(tmp_path: Path) -> None:
    bright = write_photos(tmp_path / 'bright', 200, 2)
    dark = write_photos(tmp_path / 'dark', 10, 4)
    photos = open_photos([f'3 {bright}', f'1 {dark}'])
    assert photos.probability.tolist() == [0.375] * 2 + [0.0625] * 4


def test_variables_and_filters_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_photos(tmp_path / 'photos', 100, 3)
    (folder / 'manifest.csv').write_text('image,split\n0.png,train\n1.png,test\n2.png,train\n')
    monkeypatch.setenv('SOME_PLACE', str(tmp_path))
    photos = open_photos(['1 $SOME_PLACE/photos split=train'])
    assert len(photos.frames) == 2


@pytest.mark.parametrize('text', ['folder', '-1 folder', '1', '1 folder split', ''])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r'expected `WEIGHT PATH \[COLUMN=VALUE'):
        open_photos([text])


def test_no_source_is_refused() -> None:
    with pytest.raises(ConfigError, match='at least one source with a weight above 0'):
        open_photos([])


def test_a_batch_follows_from_seed_step_and_process(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    photos = Photos([Frame('noise', lambda: noise)], np.ones(1))
    clean, changed = batches(photos)[0]
    assert clean.shape == changed.shape == (4, 3, 32, 32)
    assert batches(photos)[1][0].shape == (4, 3, 64, 64)
    assert torch.equal(clean, batches(photos)[0][0])
    assert torch.equal(changed, batches(photos)[0][1])
    assert not torch.equal(clean, batches(photos, seed=2)[0][0])
    assert not torch.equal(clean, batches(photos, rank=1)[0][0])


def test_unreadable_photos_are_passed_over() -> None:
    def broken() -> np.ndarray:
        raise ImageError('broken.jpg: cannot be decoded')

    good = Frame('good', lambda: np.full((40, 40, 3), 90, np.uint8))
    half = Photos([good, Frame('broken', broken)], np.array([0.5, 0.5]))
    assert batches(half)[0][0].shape == (4, 3, 32, 32)
    none = Photos([Frame('broken', broken)], np.ones(1))
    with pytest.raises(ImageError, match=r'ten photos in a row.*broken\.jpg'):
        batches(none)[0]
