"""Format and picture size of a file from its first bytes, before any decoder runs.

A decoder allocates what a header claims: a JPEG of 631 bytes can claim 6 GB. So the size is
read here, in a few microseconds and without trusting a length, and compared with a limit.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

_STARTS: tuple[tuple[int, bytes, str], ...] = (
    (0, b'\xff\xd8', 'JPEG'),
    (0, b'\x89PNG\r\n\x1a\n', 'PNG'),
    (8, b'WEBP', 'WebP'),
    (0, b'BM', 'BMP'),
    (0, b'GIF8', 'GIF'),
    (8, b'CR\x02', 'camera raw (CR2)'),
    (0, b'II\x2a\0', 'TIFF'),
    (0, b'MM\0\x2a', 'TIFF'),
    (0, b'II\x2b\0', 'TIFF'),
    (0, b'MM\0\x2b', 'TIFF'),
    (0, b'\0\0\0\x0cJXL ', 'JPEG XL'),
    (0, b'\xff\x0a', 'JPEG XL'),
    (0, b'\0\0\0\x0cjP  ', 'JPEG 2000'),
    (0, b'\xff\x4f\xff\x51', 'JPEG 2000'),
    (0, b'%PDF', 'PDF'),
    (0, b'8BPS', 'Photoshop'),
    (0, b'FUJIFILMCCD-RAW', 'camera raw (RAF)'),
    (0, b'IIRO', 'camera raw (ORF)'),
    (0, b'IIU\0', 'camera raw (RW2)'),
    (0, b'PK\x03\x04', 'ZIP'),
    (0, b'\x1f\x8b', 'gzip'),
    (0, b'\x28\xb5\x2f\xfd', 'Zstandard'),
    (0, b'OggS', 'Ogg'),
    (0, b'\x1a\x45\xdf\xa3', 'Matroska video'),
    (8, b'AVI ', 'AVI video'),
    (0, b'\0\0\x01\0', 'icon'),
    (0, b'\0\0\0\x01', 'H.264 or H.265 video packet'),
    (0, b'\0\0\x01', 'H.264 or H.265 video packet'),
    (12, b'\x89PNG\r\n\x1a\n', 'compressedDepth'),
    (0, b'version https://git-lfs', 'Git LFS pointer'),
    (0, b'<!DOCTYPE', 'web page'),
    (0, b'<html', 'web page'),
)
"""Offset, bytes and name; the first that fits counts."""

_BRANDS = {
    **dict.fromkeys(('heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'msf1'), 'HEIC'),
    **dict.fromkeys(('avif', 'avis'), 'AVIF'),
    'crx ': 'camera raw (CR3)',
}
"""Main brands of the ISO base media format (`ftyp`); any other one is a video."""

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA
_ZEROS = 64
_JPEG_APPLICATION = 0xE1
_EXIF_START = b'Exif\0\0'
_XMP_START = b'http://ns.adobe.com/xap/1.0/'
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_SAMPLES = 256, 257, 258, 277
_TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT = 322, 323
_TIFF_COLOURS = 262
_TIFF_NOT_RGB = {
    **dict.fromkeys((8, 9, 10), 'Lab colours'),
    **dict.fromkeys((32844, 32845), 'logarithmic light'),
    **dict.fromkeys((32803, 34892), 'values of a sensor (camera raw)'),
}
"""What pixels are by their photometric interpretation; OpenCV takes these for RGB."""

_TIFF_TYPES = {1: 'B', 3: 'H', 4: 'I', 16: 'Q'}
_MOST_TIFF_TAGS = 1000


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of a file claim.

    Attributes:
        kind: readable name of the format; empty where it is not known.
        width_px: 0 where the header does not state it.
        height_px: the same.
        bytes_per_pixel: of the decoded picture as its file describes it; 3 where not stated.
    """

    kind: str
    width_px: int = 0
    height_px: int = 0
    bytes_per_pixel: float = 3.0

    @property
    def megapixels(self) -> float:
        """Pixels in millions; 0 where the size is not known."""
        return self.width_px * self.height_px / 1e6


def read_header(data: bytes) -> ImageHeader:
    """Kind and size of an encoded image; never raises, whatever the bytes are.

    Args:
        data: the whole file, or as much of its beginning as there is.
    """
    kind = kind_of(data)
    try:
        return _SIZES[kind](data) if kind in _SIZES else ImageHeader(kind)
    except (struct.error, IndexError, ValueError, OverflowError):
        return ImageHeader(kind)


def kind_of(data: bytes | mmap) -> str:
    """Name of the format that the first bytes belong to; empty where no format is known."""
    if data[4:8] == b'ftyp':
        return _BRANDS.get(data[8:12].decode('latin-1'), 'MP4 or QuickTime video')
    for offset, start, kind in _STARTS:
        if data[offset : offset + len(start)] == start:
            return kind
    return 'PNM' if re.match(rb'P[1-7]\s', data[:3]) else ''


def exif_blocks(data: bytes | mmap) -> Iterator[bytes]:
    """The EXIF blocks of a JPEG, PNG, WebP or TIFF file, each from its byte-order mark on.

    There is one at most, unless an editor added a second one.

    Found without a decoder, so that the size of the picture does not matter; of a mapped file only
    the headers are read.
    """
    kind = kind_of(data)
    if kind == 'TIFF':
        yield data[:]
    if kind == 'JPEG':
        for marker, start, end in jpeg_segments(data):
            if marker == _JPEG_APPLICATION and data[start : start + 6] == _EXIF_START:
                yield data[start + 6 : end]
    chunks = {'PNG': _png_chunks, 'WebP': _riff_chunks}.get(kind)
    for name, start, end in [] if chunks is None else chunks(data):
        if name.lower() == b'exif':
            yield data[start:end].removeprefix(_EXIF_START)


def xmp_packet(data: bytes | mmap) -> bytes:
    """The XMP packet of a JPEG, PNG or WebP file; empty where there is none."""
    kind = kind_of(data)
    if kind == 'JPEG':
        for marker, start, end in jpeg_segments(data):
            if marker == _JPEG_APPLICATION and data[start : start + 28] == _XMP_START:
                return data[start + 28 : end]
    chunks = {'PNG': _png_chunks, 'WebP': _riff_chunks}.get(kind)
    for name, start, end in [] if chunks is None else chunks(data):
        if name == b'XMP ' or (name == b'iTXt' and data[start : start + 4] == b'XML:'):
            return data[start:end]
    return b''


def webp_ends_in_zeros(data: bytes) -> bool:
    """Whether the compressed picture of a WebP file ends so, as after a copy that was broken off.

    The decoder makes colours of the zeros. Without them no compressed data have so many in a row.
    """
    pictures = [data[s:e] for name, s, e in _riff_chunks(data) if name in (b'VP8 ', b'VP8L')]
    return any(len(p) > _ZEROS and not any(p[-_ZEROS:]) for p in pictures)


def tiff_not_rgb(data: bytes) -> str:
    """What the pixels of a TIFF are where they are not colours that are read; else empty."""
    try:
        return _TIFF_NOT_RGB.get(_tiff_tags(data).get(_TIFF_COLOURS, 0), '')
    except (struct.error, IndexError, ValueError, OverflowError):
        return ''


def bmp_is_upwards(data: bytes) -> bool:
    """Whether the rows of a BMP begin with the lowest one; a negative height turns them."""
    return int.from_bytes(data[14:18], 'little') == 12 or data[25:26] < b'\x80'


def jpeg_segments(data: bytes | mmap) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment of a JPEG up to and including its first scan."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        marker = data[offset + 1]
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        length = int.from_bytes(data[offset + 2 : offset + 4], 'big')
        yield marker, offset + 4, offset + 2 + length
        if marker == _JPEG_SCAN or length < 2:
            return
        offset += 2 + length


def _jpeg_size(data: bytes) -> ImageHeader:
    for marker, start, _ in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            bits, height, width, channels = struct.unpack_from('>BHHB', data, start)
            return ImageHeader('JPEG', width, height, channels * -(-bits // 8))
    return ImageHeader('JPEG')


def _png_size(data: bytes) -> ImageHeader:
    width, height, depth, colour = struct.unpack_from('>IIBB', data, 16)
    channels = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(colour, 4)
    return ImageHeader('PNG', width, height, channels * -(-depth // 8))


def _webp_size(data: bytes) -> ImageHeader:
    for name, start, end in _riff_chunks(data):
        chunk = data[start:end]
        if name == b'VP8X':
            width, height = (int.from_bytes(chunk[at : at + 3], 'little') + 1 for at in (4, 7))
        elif name == b'VP8L':
            bits = int.from_bytes(chunk[1:5], 'little')
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif name == b'VP8 ':
            width, height = (v & 0x3FFF for v in struct.unpack_from('<HH', chunk, 6))
        else:
            continue
        return ImageHeader('WebP', width, height, 4)
    return ImageHeader('WebP')


def _bmp_size(data: bytes) -> ImageHeader:
    if int.from_bytes(data[14:18], 'little') == 12:
        width, height = struct.unpack_from('<HH', data, 18)
        return ImageHeader('BMP', width, height)
    width, height = struct.unpack_from('<ii', data, 18)
    return ImageHeader('BMP', abs(width), abs(height), 4)


def _gif_size(data: bytes) -> ImageHeader:
    return ImageHeader('GIF', *struct.unpack_from('<HH', data, 6))


def _pnm_size(data: bytes) -> ImageHeader:
    text = re.sub(rb'#[^\r\n]*', b'', data[:4096])
    if data[:2] == b'P7':
        found = {name: int(n) for name, n in re.findall(rb'(WIDTH|HEIGHT)\s+(\d{1,18})', text)}
        return ImageHeader('PNM', found.get(b'WIDTH', 0), found.get(b'HEIGHT', 0), 4)
    numbers = re.match(rb'P[1-6]\s+(\d{1,18})\s+(\d{1,18})', text)
    if numbers is None:
        return ImageHeader('PNM')
    return ImageHeader('PNM', int(numbers[1]), int(numbers[2]), 6)


def _tiff_size(data: bytes) -> ImageHeader:
    """The largest page or tile: a decoder may keep a whole tile beside the picture."""
    tags = _tiff_tags(data)
    width = max(tags.get(_TIFF_WIDTH, 0), tags.get(_TIFF_TILE_WIDTH, 0))
    height = max(tags.get(_TIFF_HEIGHT, 0), tags.get(_TIFF_TILE_HEIGHT, 0))
    depth = tags.get(_TIFF_SAMPLES, 1) * -(-tags.get(_TIFF_BITS, 1) // 8)
    return ImageHeader('TIFF', width, height, depth)


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Numbers by tag of the first page; the first of several where a tag has several."""
    order = '<' if data[:2] == b'II' else '>'
    is_big = 0x2B in data[2:4]
    entry = struct.Struct(order + ('HHQ' if is_big else 'HHI'))
    value_bytes = 8 if is_big else 4
    (start,) = struct.unpack_from(order + ('Q' if is_big else 'I'), data, 8 if is_big else 4)
    (count,) = struct.unpack_from(order + ('Q' if is_big else 'H'), data, start)
    start += 8 if is_big else 2
    tags: dict[int, int] = {}
    for number in range(min(count, _MOST_TIFF_TAGS)):
        offset = start + number * (entry.size + value_bytes)
        tag, kind, values = entry.unpack_from(data, offset)
        if kind not in _TIFF_TYPES:
            continue
        code = order + _TIFF_TYPES[kind]
        at = offset + entry.size
        if struct.calcsize(code) * values > value_bytes:
            (at,) = struct.unpack_from(order + ('Q' if is_big else 'I'), data, at)
            if at + struct.calcsize(code) > len(data):
                continue
        (tags[tag],) = struct.unpack_from(code, data, at)
    return tags


def _iso_size(data: bytes) -> ImageHeader:
    """The largest `ispe` (image spatial extents) of a HEIC or AVIF file: the picture's own."""
    sizes = [
        struct.unpack_from('>II', data, match.end() + 4)
        for match in re.finditer(rb'\0\0\0\x14ispe', data)
    ]
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return ImageHeader(kind_of(data), width, height)


def _png_chunks(data: bytes | mmap) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk."""
    offset = 8
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], 'big')
        yield data[offset + 4 : offset + 8], offset + 8, offset + 8 + length
        offset += 12 + length


def _riff_chunks(data: bytes | mmap) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk."""
    offset = 12
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset + 4 : offset + 8], 'little')
        yield data[offset : offset + 4], offset + 8, offset + 8 + length
        offset += 8 + length + length % 2


_SIZES = {
    'JPEG': _jpeg_size,
    'PNG': _png_size,
    'WebP': _webp_size,
    'BMP': _bmp_size,
    'GIF': _gif_size,
    'PNM': _pnm_size,
    'TIFF': _tiff_size,
    'HEIC': _iso_size,
    'AVIF': _iso_size,
}
