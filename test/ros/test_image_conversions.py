"""Image messages to RGB: every encoding against colours known beforehand."""

import sys
import time
from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import ConfigError, ImageError
from ghost_vpr_ros.core.image import RAW_ENCODINGS, encode_jpeg
from ghost_vpr_ros.ros import image_conversions as conversions
from ghost_vpr_ros.ros.image_conversions import image_from_message

RED, GREEN, BLUE = 200, 100, 50


def image(encoding, pixels, height=4, width=4, big_endian=0, padding=0):
    """A message of rows of bytes, padded."""
    rows = np.frombuffer(bytes(pixels), np.uint8).reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = Image(height=height, width=width, encoding=encoding, step=padded.shape[1])
    message.is_bigendian = big_endian
    message.data = array('B', padded.tobytes())
    return message


COLOR_ORDERS = {
    'rgb8': (RED, GREEN, BLUE),
    'bgr8': (BLUE, GREEN, RED),
    'rgba8': (RED, GREEN, BLUE, 255),
    'bgra8': (BLUE, GREEN, RED, 255),
}


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', COLOR_ORDERS)
def test_color_orders_give_the_same_rgb(encoding, padding):
    rgb = image_from_message(image(encoding, COLOR_ORDERS[encoding] * 16, padding=padding))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, np.full((4, 4, 3), (RED, GREEN, BLUE)))


def test_mono8_is_grey():
    rgb = image_from_message(image('mono8', range(16)))
    expected = np.repeat(np.arange(16).reshape(4, 4, 1), 3, axis=2)
    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize('big_endian', [0, 1])
def test_mono16_uses_the_full_range_in_both_byte_orders(big_endian):
    values = np.full((4, 4), 0x8000, '>u2' if big_endian else '<u2')
    rgb = image_from_message(image('mono16', values.tobytes(), big_endian=big_endian))
    np.testing.assert_allclose(rgb, np.full((4, 4, 3), 128), atol=1)


BAYER_TILES = {
    'bayer_rggb8': (RED, GREEN, GREEN, BLUE),
    'bayer_bggr8': (BLUE, GREEN, GREEN, RED),
    'bayer_gbrg8': (GREEN, BLUE, RED, GREEN),
    'bayer_grbg8': (GREEN, RED, BLUE, GREEN),
}


@pytest.mark.parametrize('encoding', BAYER_TILES)
def test_bayer_mosaics_of_one_color_give_that_color(encoding):
    a, b, c, d = BAYER_TILES[encoding]
    mosaic = np.tile(np.array([[a, b], [c, d]], np.uint8), (4, 4))
    rgb = image_from_message(image(encoding, mosaic.tobytes(), 8, 8))
    np.testing.assert_array_equal(rgb[2:-2, 2:-2], np.full((4, 4, 3), (RED, GREEN, BLUE)))


@pytest.mark.parametrize(('encoding', 'pair'), [('yuv422', (128, 90)), ('yuv422_yuy2', (90, 128))])
def test_yuv422_without_color_is_grey(encoding, pair):
    rgb = image_from_message(image(encoding, pair * 16))
    assert np.ptp(rgb.reshape(-1, 3), axis=1).max() == 0
    assert rgb[0, 0, 0] == pytest.approx((90 - 16) * 255 / 219, abs=1)


@pytest.mark.parametrize('image_format', ['jpeg', 'png'])
def test_compressed_images_are_decoded(image_format):
    bgr = np.full((16, 16, 3), (BLUE, GREEN, RED), np.uint8)
    data = cv2.imencode(f'.{image_format}', bgr)[1].tobytes()
    rgb = image_from_message(CompressedImage(format=image_format, data=array('B', data)))
    np.testing.assert_allclose(rgb, np.full((16, 16, 3), (RED, GREEN, BLUE)), atol=2)


def truncated():
    message = image('rgb8', [1] * 48)
    message.data = array('B', bytes(40))
    return message


BAD_IMAGES = {
    'unknown encoding': (image('32FC1', np.full((4, 4), np.nan, '<f4').tobytes()), '32FC1'),
    'no encoding': (image('', [1] * 16), "''"),
    'zero size': (Image(encoding='rgb8'), 'rgb8'),
    'truncated buffer': (truncated(), 'rgb8'),
    'odd yuv422': (image('yuv422', [1] * 30, 5, 3), 'yuv422'),
    'empty jpeg': (CompressedImage(format='jpeg'), 'jpeg'),
    'text as jpeg': (CompressedImage(format='jpeg', data=array('B', b'hello')), 'jpeg'),
}


@pytest.mark.parametrize('name', BAD_IMAGES)
def test_bad_images_raise_an_error_that_names_the_encoding(name):
    message, encoding = BAD_IMAGES[name]
    with pytest.raises(ImageError, match=encoding):
        image_from_message(message)


def test_a_converter_that_fails_becomes_an_image_error():
    def refuse(_message):
        raise RuntimeError('no such conversion')

    with pytest.raises(ImageError, match=r'bgr8.*no such conversion'):
        conversions.rgb_from_raw(image('bgr8', [1] * 48), refuse)


def test_own_messages_come_back_unchanged():
    rgb = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    header = Header(frame_id='camera')
    message = conversions.raw_message(rgb, header)
    assert message.header.frame_id == 'camera'
    np.testing.assert_array_equal(image_from_message(message), rgb)


def test_bytes_are_assigned_without_a_check_of_each_element():
    rgb = np.zeros((480, 640, 3), np.uint8)
    started = time.perf_counter()
    for _ in range(10):
        conversions.raw_message(rgb, Header())
    # 24 ms and more each where every element is checked.
    assert (time.perf_counter() - started) / 10 < 0.012


@pytest.mark.skipif(
    conversions.convert_with_cv_bridge is None, reason='cv_bridge is not installed'
)
@pytest.mark.parametrize('encoding', [*COLOR_ORDERS, 'mono8', 'mono16', *BAYER_TILES, 'yuv422'])
def test_cv_bridge_and_rosbags_agree(encoding):
    size = RAW_ENCODINGS[encoding]
    noise = np.random.default_rng(2).integers(0, 256, 8 * 8 * size, np.uint8)
    message = image(encoding, noise.tobytes(), 8, 8)
    ours = conversions.rgb_from_raw(message, conversions.convert_with_rosbags)
    theirs = conversions.rgb_from_raw(message, conversions.convert_with_cv_bridge)
    np.testing.assert_allclose(ours.astype(int), theirs.astype(int), atol=1)


def cv_bridge_core(raw):
    """How `cv_bridge` reads a message: by its step, bytes swapped where they differ."""
    channels = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono8': 1}[raw.encoding]
    assert raw.is_bigendian == (sys.byteorder == 'big')
    shape = (raw.height, raw.step // channels, channels)
    pixels = np.ndarray(shape, np.uint8, raw.data)[: raw.height, : raw.width]
    return pixels[..., {'b': [2, 1, 0], 'm': [0, 0, 0]}.get(raw.encoding[0], [0, 1, 2])]


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', [e for e in RAW_ENCODINGS if 'yu' not in e])
def test_both_converters_give_the_same_pixels(encoding, padding):
    size = RAW_ENCODINGS[encoding]
    noise = np.random.default_rng(2).integers(0, 256, 8 * 8 * size, np.uint8)
    message = image(encoding, noise.tobytes(), 8, 8, big_endian=1, padding=padding)
    ours = conversions.rgb_from_raw(message, conversions.convert_with_rosbags)
    np.testing.assert_array_equal(ours, conversions.rgb_from_raw(message, cv_bridge_core))


def test_a_machine_without_a_converter_is_told_what_to_install(monkeypatch):
    conversions.check_converter()
    monkeypatch.setattr(conversions, 'convert_raw', None)
    with pytest.raises(ConfigError, match=r'ros-\$ROS_DISTRO-cv-bridge.*pip install rosbags-imag'):
        conversions.check_converter()


def test_a_compressed_image_beyond_the_limit_is_refused_by_its_header() -> None:
    data = encode_jpeg(np.zeros((200, 200, 3), np.uint8))
    message = conversions.compressed_message(data, Header())
    assert image_from_message(message).shape == (200, 200, 3)
    with pytest.raises(ImageError, match='200 x 200 px'):
        image_from_message(message, ImageConfig(max_image_megapixels=0.03))


def test_an_rgb8_image_is_read_where_it_was_received() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    message = conversions.raw_message(rgb, Header())
    found = conversions.rgb_from_raw(message, conversions.convert_with_rosbags)
    assert np.shares_memory(found, np.frombuffer(message.data, np.uint8))
    np.testing.assert_array_equal(found, rgb)


def test_a_large_jpeg_is_decoded_at_the_size_that_is_needed() -> None:
    jpeg = encode_jpeg(np.zeros((960, 1280, 3), np.uint8))
    message = conversions.compressed_message(jpeg, Header())
    assert image_from_message(message, least_side_px=400).shape == (480, 640, 3)
    assert image_from_message(message).shape == (960, 1280, 3)
