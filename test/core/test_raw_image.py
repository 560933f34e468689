"""Every encoding of raw images against colours computed with numpy alone."""

import sys

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.raw_image import simplified

HEIGHT, WIDTH = 8, 12
SIZE = (HEIGHT, WIDTH)
ORDER = sys.byteorder == 'big'


def noise(*shape: int, high: int = 256, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(5).integers(0, high, shape).astype(dtype)


def rgb_of(encoding: str, rows: np.ndarray, padding: int = 0, big: bool = ORDER) -> np.ndarray:
    """The picture of rows of bytes (H, n), as RGB (H, W, 3)."""
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    step = padded.shape[1]
    found = simplified(encoding, HEIGHT, WIDTH, step, big, padded.tobytes(), 'm')
    assert (found.height, found.width) == SIZE
    assert found.data.size == found.step * HEIGHT
    pixels = found.data.reshape(HEIGHT, WIDTH, -1)
    orders = {'rgb8': (0, 1, 2), 'bgr8': (2, 1, 0), 'mono8': (0, 0, 0)}
    orders |= {'rgba8': (0, 1, 2), 'bgra8': (2, 1, 0)}
    return pixels[..., list(orders[found.encoding])]


def bytes_of(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels).view(np.uint8).reshape(HEIGHT, -1)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [
        *[('rgb8', (0, 1, 2)), ('bgr8', (2, 1, 0)), ('8UC3', (2, 1, 0))],
        *[('rgba8', (0, 1, 2)), ('bgra8', (2, 1, 0)), ('8UC4', (2, 1, 0))],
        *[('mono8', (0, 0, 0)), ('8UC1', (0, 0, 0)), ('RGB8', (0, 1, 2))],
    ],
)
def test_orders_of_colours(encoding: str, order: tuple, padding: int) -> None:
    channels = {'a': 4, '4': 4, 'm': 1, '1': 1}.get(encoding.replace('8', '')[-1], 3)
    channels = 1 if encoding.startswith('mono') else channels
    channels = 4 if encoding in ('rgba8', 'bgra8') else channels
    pixels = noise(HEIGHT, WIDTH, channels)
    np.testing.assert_array_equal(
        rgb_of(encoding, bytes_of(pixels), padding), pixels[..., list(order)]
    )


@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [
        ('mono16', (0, 0, 0)),
        ('rgb16', (0, 1, 2)),
        ('bgr16', (2, 1, 0)),
        ('rgba16', (0, 1, 2)),
        ('bgra16', (2, 1, 0)),
    ],
)
def test_sixteen_bits_are_scaled_by_the_bits_that_are_used(encoding, order, bits, big) -> None:
    channels = {'mono16': 1, 'rgba16': 4, 'bgra16': 4}.get(encoding, 3)
    pixels = noise(HEIGHT, WIDTH, channels, high=1 << bits, dtype=np.uint16)
    pixels[0, 0, :] = (1 << bits) - 1
    expected = np.rint(pixels * (255.0 / ((1 << bits) - 1)))[..., list(order)]
    sent = pixels.astype('>u2' if big else '<u2')
    found = rgb_of(encoding, bytes_of(sent), padding=6, big=big)
    np.testing.assert_allclose(found, expected, atol=1)


def yuv_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """ITU-R BT.601 in limited range, as every camera driver has it."""
    y, u, v = np.maximum(y.astype(float) - 16, 0), u.astype(float) - 128, v.astype(float) - 128
    rgb = [1.164 * y + 1.596 * v, 1.164 * y - 0.392 * u - 0.813 * v, 1.164 * y + 2.017 * u]
    return np.clip(np.stack(rgb, axis=-1), 0, 255)


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize('encoding', ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2'])
def test_yuv_by_pairs_of_pixels(encoding: str, padding: int) -> None:
    y, chroma = noise(HEIGHT, WIDTH), noise(HEIGHT, WIDTH)[::-1]
    is_luma_first = encoding in ('yuyv', 'yuv422_yuy2')
    pixels = np.dstack([y, chroma] if is_luma_first else [chroma, y])
    u, v = (np.repeat(chroma[:, start::2], 2, axis=1) for start in (0, 1))
    found = rgb_of(encoding, bytes_of(pixels), padding)
    np.testing.assert_allclose(found, yuv_to_rgb(y, u, v), atol=2)


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize('encoding', ['nv12', 'nv21', 'nv24'])
def test_yuv_in_two_planes(encoding: str, padding: int) -> None:
    y = noise(HEIGHT, WIDTH)
    times = 1 if encoding == 'nv24' else 2
    chroma = noise(HEIGHT // times, WIDTH // times, 2)
    u, v = (np.kron(chroma[..., n], np.ones((times, times))) for n in (0, 1))
    if encoding == 'nv21':
        u, v = v, u
    wide = np.pad(y, ((0, 0), (0, padding)))
    plane = chroma.reshape(len(chroma), -1)
    more = padding * (2 if encoding == 'nv24' else 1)
    data = wide.tobytes() + np.pad(plane, ((0, 0), (0, more))).tobytes()
    found = simplified(encoding, HEIGHT, WIDTH, WIDTH + padding, ORDER, data, 'm')
    rgb = found.data.reshape(HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(rgb, yuv_to_rgb(y, u, v), atol=2)


@pytest.mark.parametrize('order', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('kind', [8, 16])
def test_a_mosaic_gives_each_pixel_its_own_colour(order: str, kind: int) -> None:
    """Where a pixel has a colour itself, interpolation leaves it."""
    pixels = noise(HEIGHT, WIDTH, high=1 << kind, dtype=np.uint16 if kind == 16 else np.uint8)
    pixels[0, 0] = (1 << kind) - 1
    found = rgb_of(f'bayer_{order}{kind}', bytes_of(pixels))
    for place, colour in enumerate(order):
        own = found[2 + place // 2 : -2 : 2, 2 + place % 2 : -2 : 2, 'rgb'.index(colour)]
        sent = pixels[2 + place // 2 : -2 : 2, 2 + place % 2 : -2 : 2]
        np.testing.assert_allclose(own, sent * (255.0 / ((1 << kind) - 1)), atol=1)


@pytest.mark.parametrize(
    ('encoding', 'text'),
    [
        ('16UC1', 'depth camera'),
        ('32FC1', 'depth camera'),
        ('h264', 'video'),
        ('8UC7', 'set the driver to one of'),
        ('', "encoding '' is not supported"),
    ],
)
def test_what_is_not_supported_names_the_next_step(encoding: str, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        simplified(encoding, 4, 4, 16, False, bytes(64), 'm')


@pytest.mark.parametrize('encoding', ['nv12', 'nv21', 'nv24'])
@pytest.mark.parametrize(('height', 'width', 'size'), [(4, 4, 23), (0, 4, 99), (4, 4, 0)])
def test_planes_that_are_not_there_are_refused(encoding, height, width, size) -> None:
    with pytest.raises(ImageError, match=encoding):
        simplified(encoding, height, width, width, False, bytes(size), 'm')
