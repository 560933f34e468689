"""Raw image messages of every encoding become the same RGB picture."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.replay.bags import messages as build
from ghost_vpr_ros.replay.bags.images import rgb_of_message
from test.replay.small_bags import picture

RGB = (200, 100, 50)
GREY = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


def raw(encoding: str, pixels: np.ndarray, padding: int = 0, is_bigendian: int = 0):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(pixels.shape[0], -1)
    step = rows.shape[1] + padding
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=255).reshape(-1)
    size = (pixels.shape[0], pixels.shape[1])
    head = build.header(1, 'camera')
    return build.message('sensor_msgs/Image', head, *size, encoding, is_bigendian, step, data)


def flat(*channels: int, dtype: type = np.uint8) -> np.ndarray:
    pixels = np.full((6, 8, len(channels)), channels, dtype)
    return pixels[..., 0] if len(channels) == 1 else pixels


def mosaic(order: str, dtype: type = np.uint8) -> np.ndarray:
    pixels = np.zeros((6, 8), dtype)
    scale = 257 if dtype == np.uint16 else 1
    for place, color in enumerate(order):
        pixels[place // 2 :: 2, place % 2 :: 2] = RGB['rgb'.index(color)] * scale
    return pixels


@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('rgb8', flat(200, 100, 50)),
        ('bgr8', flat(50, 100, 200)),
        ('rgba8', flat(200, 100, 50, 7)),
        ('bgra8', flat(50, 100, 200, 7)),
        *[(f'bayer_{order}8', mosaic(order)) for order in ('rggb', 'bggr', 'gbrg', 'grbg')],
        *[
            (f'bayer_{order}16', mosaic(order, np.uint16))
            for order in ('rggb', 'bggr', 'gbrg', 'grbg')
        ],
    ],
)
@pytest.mark.parametrize('padding', [0, 4])
def test_colour_encodings(encoding: str, pixels: np.ndarray, padding: int) -> None:
    found = rgb_of_message(raw(encoding, pixels, padding), 'm')
    assert (found.shape, found.dtype) == ((6, 8, 3), np.uint8)
    assert np.abs(found[2:4, 2:6].astype(int) - RGB).max() <= 1


@pytest.mark.parametrize(
    ('encoding', 'pixels'), [('mono8', flat(90)), ('mono16', flat(90 * 257, dtype=np.uint16))]
)
@pytest.mark.parametrize('padding', [0, 2])
def test_grey_encodings(encoding: str, pixels: np.ndarray, padding: int) -> None:
    found = rgb_of_message(raw(encoding, pixels, padding), 'm')
    assert found.shape == (6, 8, 3)
    assert np.abs(found.astype(int) - 90).max() <= 1


@pytest.mark.parametrize(
    ('encoding', 'luma_first'),
    [('yuv422', False), ('uyvy', False), ('yuyv', True), ('yuv422_yuy2', True)],
)
def test_yuv_encodings(encoding: str, luma_first: bool) -> None:
    y, u, v = cv2.cvtColor(np.uint8([[RGB]]), cv2.COLOR_RGB2YUV)[0, 0].astype(int)
    limited = (16 + y * 219 // 255, 128 + (u - 128) * 224 // 225, 128 + (v - 128) * 9 // 10)
    pixels = np.zeros((6, 8, 2), np.uint8)
    pixels[..., 0 if luma_first else 1] = limited[0]
    chroma = pixels[..., 1 if luma_first else 0]
    chroma[:, 0::2], chroma[:, 1::2] = limited[1], limited[2]
    found = rgb_of_message(raw(encoding, pixels), 'm')
    assert found.shape == (6, 8, 3)
    assert np.abs(found.astype(int) - RGB).max() <= 25


def test_big_endian_mono16() -> None:
    pixels = flat(90 * 256, dtype=np.uint16).byteswap()
    assert rgb_of_message(raw('mono16', pixels, is_bigendian=1), 'm')[0, 0, 0] == 90


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1', '', 'jpeg'])
def test_other_encodings_are_refused_by_name(encoding: str) -> None:
    with pytest.raises(ImageError, match=f"/cam.*encoding '{encoding}' is not supported"):
        rgb_of_message(raw(encoding, flat(1)), '/cam[3]')


def test_truncated_raw_image_is_refused() -> None:
    content = raw('rgb8', flat(1, 2, 3))
    content.data = content.data[:-1]
    with pytest.raises(ImageError, match='need 144 bytes, found 143'):
        rgb_of_message(content, '/cam[3]')


def test_picture_survives_row_padding() -> None:
    rgb = picture(1, 11, 13)
    assert np.array_equal(rgb_of_message(raw('rgb8', rgb, padding=5), 'm'), rgb)
