"""A large JPEG is decoded at a part of its size, upright and in its colours."""

import io
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame, ScalableLoad
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image import decode_compressed, read_image
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.preprocessing import input_pixels, least_side_px, pixel_batch

DATA = Path(os.environ.get('GHOST_VPR_DATA', ''), 'gardens_point')
NETWORK = PreprocessingConfig(width_px=320, height_px=320)


def photo(width: int, height: int) -> np.ndarray:
    """RGB with edges and fine grain, no two corners alike."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(30, 225, (12, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = rng.integers(-12, 13, (height, width, 1), dtype=np.int16)
    return (smooth + grain).clip(0, 255).astype(np.uint8)


def jpeg(rgb: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, 'JPEG', quality=90, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ('size', 'least', 'found'),
    [
        ((640, 480), 320, (640, 480)),
        ((1280, 960), 320, (640, 480)),
        ((1280, 960), 480, (640, 480)),
        ((1280, 960), 481, (1280, 960)),
        ((1280, 960), 0, (1280, 960)),
        ((1921, 1081), 320, (961, 541)),
        ((1080, 1920), 320, (540, 960)),
        ((1600, 1400), 320, (400, 350)),
        ((2700, 2570), 320, (338, 322)),
    ],
)
def test_a_jpeg_becomes_smaller_while_its_shorter_side_is_long_enough(size, least, found) -> None:
    data = jpeg(photo(*size))
    picture = decode_compressed(data, 'photo', 'jpeg', least_side_px=least)
    assert picture.shape == (found[1], found[0], 3)


@pytest.mark.parametrize(
    ('size', 'kind'),
    [
        ((1280, 960), 'colour'),
        ((1280, 960), 'grey'),
        ((1280, 960), 'progressive'),
        ((1280, 960), 'chroma kept'),
        ((1920, 1080), 'colour'),
        ((1600, 1400), 'colour'),
        ((2700, 2570), 'colour'),
    ],
)
def test_the_network_sees_what_it_sees_of_the_whole_picture(size, kind) -> None:
    rgb = photo(*size)
    options = {'progressive': kind == 'progressive', 'subsampling': 0 if 'kept' in kind else 2}
    data = jpeg(rgb[..., 1]) if kind == 'grey' else jpeg(rgb, **options)
    whole = input_pixels(decode_compressed(data, 'photo'), NETWORK).astype(int)
    small = decode_compressed(data, 'photo', least_side_px=least_side_px(NETWORK))
    difference = input_pixels(small, NETWORK).astype(int) - whole
    assert np.abs(difference).mean() < 1.0
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.5


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_photo_is_upright_at_each_size(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / 'photo.jpg').write_bytes(jpeg(photo(1600, 900), exif=exif))
    whole = read_image(tmp_path / 'photo.jpg')
    small = read_image(tmp_path / 'photo.jpg', least_side_px=300)
    assert small.shape[0] * 2 == whole.shape[0] and small.shape[1] * 2 == whole.shape[1]
    halved = cv2.resize(whole, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - halved).mean() < 2.5


def test_colours_that_image_transport_has_swapped_stay_swapped() -> None:
    data = jpeg(photo(1280, 960))
    usual = decode_compressed(data, 'photo', 'rgb8; jpeg compressed bgr8', least_side_px=320)
    swapped = decode_compressed(data, 'photo', 'rgb8; jpeg compressed rgb8', least_side_px=320)
    np.testing.assert_array_equal(usual, swapped[..., ::-1])


def test_mosaics_and_other_formats_keep_all_their_pixels() -> None:
    grey = photo(1280, 960)[..., 0]
    mosaic = jpeg(grey)
    found = decode_compressed(mosaic, 'raw', 'bayer_rggb8; jpeg compressed', least_side_px=320)
    assert found.shape == (960, 1280, 3)
    png = cv2.imencode('.png', grey.astype(np.uint16) * 257)[1].tobytes()
    assert decode_compressed(png, 'deep', 'png', least_side_px=320).shape == (960, 1280, 3)


@pytest.mark.parametrize('least', [0, 450, 250, 110])
@pytest.mark.parametrize('share', [0.4, 0.9])
def test_half_a_picture_is_refused_at_each_size(least: int, share: float) -> None:
    data = jpeg(photo(1203, 907))
    cut = data[: round(share * len(data))]
    for each in (cut, cut + b'\xff\xd9'):
        with pytest.raises(ImageError, match='truncated'):
            decode_compressed(each, 'half', least_side_px=least)


def test_an_input_of_the_pictures_own_size_needs_all_pixels() -> None:
    assert least_side_px(replace(NETWORK, fit='own')) == 0
    assert least_side_px(replace(NETWORK, width_px=640, height_px=480)) == 800
    assert least_side_px(replace(NETWORK, width_px=128, height_px=96)) == 320


def test_a_frame_that_cannot_be_scaled_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(jpeg(photo(1280, 960)))
    load = partial(read_image, tmp_path / 'a.jpg', None)
    assert Frame('a', load).at_least(320).shape == (960, 1280, 3)
    scalable = Frame('a', ScalableLoad(load))
    assert scalable.at_least(320).shape == (480, 640, 3)
    assert scalable.load().shape == (960, 1280, 3)


@pytest.mark.skipif(not DATA.is_dir(), reason='needs GHOST_VPR_DATA')
@pytest.mark.parametrize('size', [(1280, 960), (1920, 1080)])
def test_descriptors_of_photos_stay_near(size: tuple[int, int]) -> None:
    model = default_weights()
    engine, config = create_engine(model), model.preprocessing
    similarities = []
    for path in sorted(DATA.rglob('*.jpg'))[::60]:
        rgb = cv2.resize(read_image(path), size, interpolation=cv2.INTER_CUBIC)
        data = jpeg(rgb)
        whole, small = (
            engine.describe(pixel_batch(decode_compressed(data, '', least_side_px=side), config))
            for side in (0, least_side_px(config))
        )
        similarities.append(float((whole @ small.T).item()))
    assert len(similarities) >= 5
    assert min(similarities) > 0.995
