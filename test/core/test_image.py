"""Files and buffers become RGB uint8; other content is refused by name."""

import io
import sys
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image import (
    RAW_ENCODINGS,
    check_raw_image,
    decode_compressed,
    encode_jpeg,
    has_heic_decoder,
    packed_rows,
    read_image,
    valid_text,
)


def smooth_rgb(height: int = 48, width: int = 64) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height))


def test_png_keeps_every_rgb_value(tmp_path: Path) -> None:
    rgb = smooth_rgb()
    Image.fromarray(rgb).save(tmp_path / 'a.png')
    assert np.array_equal(read_image(tmp_path / 'a.png'), rgb)


def test_jpeg_round_trip_is_close_and_keeps_the_colour_order() -> None:
    rgb = smooth_rgb()
    found = decode_compressed(encode_jpeg(rgb, 95), 'memory')
    assert np.abs(found.astype(int) - rgb).mean() < 3


def test_received_message_data_decodes_without_conversion_by_the_caller() -> None:
    assert decode_compressed(array('B', encode_jpeg(smooth_rgb())), 'message').shape == (48, 64, 3)


@pytest.mark.parametrize(
    ('pixels', 'expected'),
    [
        (np.full((4, 6), 90, np.uint8), (90, 90, 90)),
        (np.full((4, 6), 90 * 257, np.uint16), (90, 90, 90)),
        (np.full((4, 6, 4), (10, 20, 30, 99), np.uint8), (30, 20, 10)),
        (np.full((4, 6, 3), (25700, 51400, 12850), np.uint16), (50, 200, 100)),
    ],
    ids=['grey', 'grey16', 'bgra', 'bgr16'],
)
def test_other_pixel_kinds_become_rgb(tmp_path: Path, pixels: np.ndarray, expected: tuple) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), pixels)
    found = read_image(tmp_path / 'a.png')
    assert found.shape == (4, 6, 3)
    assert found.dtype == np.uint8
    assert tuple(found[2, 3]) == expected


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    Image.fromarray(smooth_rgb(48, 64)).save(tmp_path / 'a.jpg', exif=exif)
    assert read_image(tmp_path / 'a.jpg').shape == (64, 48, 3)


@pytest.mark.parametrize('data', [b'', b'hello, I am a text file\n', b'\xff\xd8\xff'])
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / 'fake.jpg').write_bytes(data)
    with pytest.raises(ImageError, match=r'fake\.jpg'):
        read_image(tmp_path / 'fake.jpg')


def test_missing_file_and_folder_are_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / 'none.jpg', tmp_path):
        with pytest.raises(ImageError, match=path.name):
            read_image(path)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.99])
def test_truncated_image_is_refused(suffix: str, share: float) -> None:
    data = cv2.imencode(suffix, smooth_rgb())[1].tobytes()
    with pytest.raises(ImageError, match='frame 7'):
        decode_compressed(data[: int(len(data) * share)], 'frame 7')


def test_truncated_jpeg_with_a_whole_thumbnail_is_refused() -> None:
    data, thumbnail = encode_jpeg(smooth_rgb()), encode_jpeg(smooth_rgb(8, 8))
    segment = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = data[:2] + segment + data[2:]
    assert decode_compressed(whole, 'photo').shape == (48, 64, 3)
    with pytest.raises(ImageError, match='truncated'):
        decode_compressed(whole[:-40], 'photo')


def test_encode_refuses_another_type() -> None:
    with pytest.raises(ImageError, match='uint8'):
        encode_jpeg(np.zeros((4, 4, 3), np.float32))


@pytest.mark.parametrize('encoding', sorted(RAW_ENCODINGS))
def test_exact_buffer_of_each_encoding_passes_and_one_byte_less_does_not(encoding: str) -> None:
    step = 6 * RAW_ENCODINGS[encoding]
    check_raw_image(encoding, 4, 6, step, 4 * step, 'm')
    with pytest.raises(ImageError, match=rf'{encoding}.*{4 * step} bytes, found {4 * step - 1}'):
        check_raw_image(encoding, 4, 6, step, 4 * step - 1, 'm')


@pytest.mark.parametrize(
    ('encoding', 'height', 'width', 'step', 'size', 'text'),
    [
        ('32FC1', 4, 6, 24, 96, "'32FC1' is not supported"),
        ('rgb8', 0, 6, 18, 72, 'zero size'),
        ('rgb8', 4, 0, 18, 72, 'zero size'),
        ('rgb8', 4, 6, 17, 72, 'step of 18 bytes, found 17'),
        ('rgb8', 4, 6, 0, 72, 'step of 18 bytes, found 0'),
        ('yuyv', 4, 5, 10, 40, 'even width'),
    ],
)
def test_contradicting_fields_are_refused(encoding, height, width, step, size, text) -> None:
    with pytest.raises(ImageError, match=text):
        check_raw_image(encoding, height, width, step, size, '/camera/image')


def test_padding_is_removed_also_where_the_last_row_has_none() -> None:
    data = bytes([1, 2, 3, 0, 4, 5, 6])
    check_raw_image('mono8', 2, 3, 4, len(data), 'm')
    assert packed_rows(data, 'mono8', 2, 3, 4).tolist() == [1, 2, 3, 4, 5, 6]


def test_packed_rows_copies_nothing_without_padding() -> None:
    data = array('B', range(6))
    packed = packed_rows(data, 'mono8', 2, 3, 3)
    data[0] = 99
    assert packed[0] == 99


@pytest.mark.parametrize(
    ('image_format', 'data', 'text'),
    [
        ('16UC1; compressedDepth png', b'x' * 40, 'depth image'),
        ('', bytes(12) + b'\x89PNG\r\n\x1a\n', 'the content is a depth image'),
        ('h264', b'\x00\x00\x00\x01\x67', "format 'h264' is video"),
        ('jpeg', b'\x00\x00\x00\x01\x67', "format 'jpeg' is video .H.264 or H.265"),
        ('hevc', b'x', 'republish'),
        ('theora', b'x', 'video .theora packets'),
    ],
)
def test_what_is_no_picture_is_named_with_the_next_step(image_format, data, text) -> None:
    with pytest.raises(ImageError, match=text) as error:
        decode_compressed(data, '/cam[3]', image_format)
    assert '/cam[3]' in str(error.value)
    assert 'damaged' not in str(error.value)


@pytest.mark.parametrize(
    ('image_format', 'is_swapped'),
    [
        ('rgb8; jpeg compressed bgr8', False),
        ('rgb8; jpeg compressed rgb8', True),
        ('bgr8; png compressed rgb8', True),
        ('jpeg', False),
    ],
)
def test_colours_are_those_that_the_format_tells(image_format: str, is_swapped: bool) -> None:
    rgb = smooth_rgb()
    written = rgb[..., ::-1] if is_swapped else rgb
    found = decode_compressed(encode_jpeg(np.ascontiguousarray(written), 98), 'm', image_format)
    assert np.abs(found.astype(int) - rgb).mean() < 4


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_mosaic_in_a_png_becomes_colours(dtype: type) -> None:
    scale = 257 if dtype == np.uint16 else 1
    mosaic = np.tile(np.array([[200, 100], [100, 50]], dtype) * scale, (4, 4)).astype(dtype)
    data = cv2.imencode('.png', mosaic)[1].tobytes()
    kind = f'bayer_rggb{8 if dtype == np.uint8 else 16}'
    found = decode_compressed(data, 'm', f'{kind}; png compressed {kind}')
    assert np.abs(found[2:-2, 2:-2].astype(int) - (200, 100, 50)).max() <= 1
    with pytest.raises(ImageError, match='bayer_xxxx8'):
        decode_compressed(data, 'm', 'bayer_xxxx8; png compressed ')


@pytest.mark.parametrize('bits', [10, 12, 14, 16])
def test_the_bits_that_a_camera_fills_become_eight(tmp_path: Path, bits: int) -> None:
    rgb = smooth_rgb()
    rgb[0, 0] = 255
    deep = rgb.astype(np.uint16) << (bits - 8)
    cv2.imwrite(str(tmp_path / 'a.png'), cv2.cvtColor(deep, cv2.COLOR_RGB2BGR))
    assert np.abs(read_image(tmp_path / 'a.png').astype(int) - rgb).max() <= 1


def test_measurements_are_no_picture() -> None:
    data = cv2.imencode('.tif', np.zeros((4, 6), np.float32))[1].tobytes()
    with pytest.raises(ImageError, match='8 or 16 bits, found float32'):
        decode_compressed(data, 'depth')


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tif', '.bmp'])
def test_a_size_beyond_the_limit_is_refused_by_the_header(suffix: str) -> None:
    data = cv2.imencode(suffix, np.zeros((200, 200, 3), np.uint8))[1].tobytes()
    with pytest.raises(ImageError, match=r'200 x 200 px .* at most 0\.03; .*max_image_megapix'):
        decode_compressed(data, 'photo', config=ImageConfig(max_image_megapixels=0.03))
    assert (
        decode_compressed(data, 'photo', config=ImageConfig(max_image_megapixels=0.04)).any() == 0
    )


def test_a_tiny_jpeg_that_claims_gigapixels_is_refused() -> None:
    data = bytearray(encode_jpeg(smooth_rgb()))
    frame = data.index(b'\xff\xc0')
    data[frame + 5 : frame + 9] = bytes((0xFD, 0xE8, 0xFD, 0xE8))
    with pytest.raises(ImageError, match=r'65000 x 65000 px .* expected at most 64;'):
        decode_compressed(bytes(data), 'bomb')


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        (b'\0\0\0\x18ftypqt  ' + bytes(50), 'video; take single images out'),
        (b'%PDF-1.7' + bytes(50), 'found PDF; convert it'),
    ],
)
def test_other_formats_are_named_with_the_next_step(data: bytes, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        decode_compressed(data, 'a.jpg')


def test_heic_is_read_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = b'\0\0\0\x18ftypheic' + bytes(50)
    if has_heic_decoder():
        import pillow_heif

        photo = pillow_heif.from_pillow(Image.fromarray(smooth_rgb(64, 64)))
        photo.save(tmp_path / 'renamed.jpg', format='HEIF')
        found = read_image(tmp_path / 'renamed.jpg')
        assert np.abs(found.astype(int) - smooth_rgb(64, 64)).mean() < 8
        with pytest.raises(ImageError, match='HEIC photo cannot be decoded'):
            decode_compressed(fake, 'cut.heic')
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    with pytest.raises(ImageError, match=r'found HEIC; .*pip install pillow-heif'):
        decode_compressed(fake, 'photo.heic')


def test_names_of_any_bytes_become_one_line_of_text() -> None:
    assert valid_text('caf\udce9\n.jpg') == 'caf\\xe9\\n.jpg'
    assert valid_text('straße 1.jpg') == 'straße 1.jpg'


def test_a_webp_whose_end_is_zeros_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    whole = cv2.imencode('.webp', noise)[1].tobytes()
    assert decode_compressed(whole, 'whole').shape == (64, 64, 3)
    half = len(whole) // 2
    with pytest.raises(ImageError, match='the WebP is truncated'):
        decode_compressed(whole[:half] + bytes(len(whole) - half), 'half')


def test_an_image_of_one_pixel_is_refused(tmp_path):
    path = tmp_path / 'pixel.png'
    path.write_bytes(cv2.imencode('.png', np.zeros((1, 1, 3), np.uint8))[1].tobytes())
    with pytest.raises(ImageError, match='an image of one pixel shows no place; remove it'):
        read_image(path)


@pytest.mark.parametrize('suffix', ['.bmp', '.ppm', '.tif'])
@pytest.mark.parametrize('share', [0.3, 0.5, 0.7])
def test_an_uncompressed_picture_whose_end_is_zeros_is_refused(suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(1, 255, (48, 61, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, Image.registered_extensions()[suffix])
    whole = stream.getvalue()
    np.testing.assert_array_equal(decode_compressed(whole, 'whole'), noise)
    part = round(len(whole) * share)
    with pytest.raises(ImageError, match='is truncated, its data end in zeros'):
        decode_compressed(whole[:part] + bytes(len(whole) - part), 'part')


@pytest.mark.parametrize('border', ['rows', 'slope', 'circle', 'all'])
def test_a_black_border_is_no_missing_end(border: str) -> None:
    picture = np.random.default_rng(0).integers(1, 255, (48, 64, 3), dtype=np.uint8)
    row, column = np.mgrid[:48, :64]
    is_black = {
        'rows': row >= 24,
        'slope': row > 20 + 0.25 * column,
        'circle': np.hypot(row - 24, column - 32) > 20,
        'all': row >= 0,
    }[border]
    picture[is_black] = 0
    for turned in (picture, picture[::-1]):
        data = cv2.imencode('.bmp', np.ascontiguousarray(turned))[1].tobytes()
        assert decode_compressed(data, 'a').shape == (48, 64, 3)


def test_a_tiff_in_other_colours_is_refused_and_inverted_grey_is_not() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    stream = io.BytesIO()
    Image.merge('LAB', [Image.fromarray(grey)] * 3).save(stream, 'TIFF')
    with pytest.raises(ImageError, match='expected a TIFF in RGB or grey, found Lab colours'):
        decode_compressed(stream.getvalue(), 'lab')
    stream = io.BytesIO()
    Image.fromarray(255 - grey).save(stream, 'TIFF', tiffinfo={262: 0})
    inverted = decode_compressed(stream.getvalue(), 'inverted')[..., 0]
    np.testing.assert_array_equal(inverted, 255 - grey)


def test_an_icon_is_no_video() -> None:
    with pytest.raises(ImageError, match='found icon; convert it'):
        decode_compressed(b'\0\0\1\0\1\0' + bytes(40), 'favicon.png')
