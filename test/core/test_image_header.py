"""Kind and size of a file by its first bytes, whatever these are."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from ghost_vpr_ros.core.image_header import exif_blocks, kind_of, read_header

RGB = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))


@pytest.mark.parametrize(
    ('suffix', 'kind'),
    [
        ('.jpg', 'JPEG'),
        ('.png', 'PNG'),
        ('.webp', 'WebP'),
        ('.bmp', 'BMP'),
        ('.tif', 'TIFF'),
        ('.ppm', 'PNM'),
    ],
)
def test_size_is_that_of_the_picture(suffix: str, kind: str) -> None:
    header = read_header(cv2.imencode(suffix, RGB)[1].tobytes())
    assert (header.kind, header.width_px, header.height_px) == (kind, 64, 48)


def test_lossless_webp_and_16_bit_images_are_measured(tmp_path) -> None:
    Image.fromarray(RGB).save(tmp_path / 'a.webp', lossless=True)
    assert read_header((tmp_path / 'a.webp').read_bytes()).width_px == 64
    deep = read_header(cv2.imencode('.png', np.zeros((48, 64, 3), np.uint16))[1].tobytes())
    assert (deep.height_px, deep.bytes_per_pixel) == (48, 6)


def test_a_tile_larger_than_its_tiff_counts() -> None:
    entries = ((256, 10), (257, 10), (258, 8), (322, 60_000), (323, 50_000))
    body = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in entries)
    header = read_header(b'II\x2a\0' + struct.pack('<IH', 8, len(entries)) + body)
    assert (header.width_px, header.height_px) == (60_000, 50_000)


@pytest.mark.parametrize(
    ('data', 'kind'),
    [
        (b'\0\0\0\x18ftypheic\0\0\0\0', 'HEIC'),
        (b'\0\0\0\x18ftypavif\0\0\0\0', 'AVIF'),
        (b'\0\0\0\x18ftypqt  \0\0\0\0', 'MP4 or QuickTime video'),
        (b'%PDF-1.7', 'PDF'),
        (b'\0\0\0\x01\x67\x42', 'H.264 or H.265 video packet'),
        (bytes(12) + b'\x89PNG\r\n\x1a\n', 'compressedDepth'),
        (b'II\x2a\0\x10\0\0\0CR\x02\0', 'camera raw (CR2)'),
        (b'version https://git-lfs.github.com/spec/v1', 'Git LFS pointer'),
        (b'hello', ''),
        (b'', ''),
    ],
)
def test_other_kinds_have_a_name(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind
    assert read_header(data).kind == kind


def test_damaged_headers_raise_nothing() -> None:
    rng = np.random.default_rng(0)
    for suffix in ('.jpg', '.png', '.webp', '.tif', '.bmp', '.ppm'):
        data = cv2.imencode(suffix, RGB)[1].tobytes()
        for _ in range(300):
            bad = bytearray(data[: rng.integers(1, len(data))])
            for place in rng.integers(0, min(len(bad), 200), 5):
                bad[place] = rng.integers(256)
            header = read_header(bytes(bad))
            assert header.width_px >= 0 and header.height_px >= 0
            assert all(isinstance(block, bytes) for block in exif_blocks(bytes(bad)))


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp'])
def test_the_exif_block_is_found_without_decoding(tmp_path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = 'maker'
    Image.fromarray(RGB).save(tmp_path / f'a{suffix}', exif=exif)
    (block,) = exif_blocks((tmp_path / f'a{suffix}').read_bytes())
    assert block[:2] in (b'II', b'MM')
    assert b'maker' in block
