"""Images in and out: files and compressed buffers become RGB, raw messages are checked.

The orientation tag of a photo's EXIF is applied, so that a phone's photo stands upright as a
person sees it; image streams of cameras carry no such tag and are not touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import ImageError

if TYPE_CHECKING:
    from array import array

    Buffer = bytes | bytearray | memoryview | array[int] | NDArray[np.uint8]

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm')
"""File names that are taken for images when a folder is listed (compared in lower case)."""

RAW_ENCODINGS: dict[str, int] = {
    **{f'{order}8': 3 for order in ('rgb', 'bgr')},
    **{f'{order}8': 4 for order in ('rgba', 'bgra')},
    'mono8': 1,
    'mono16': 2,
    **{f'bayer_{order}8': 1 for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    **{f'bayer_{order}16': 2 for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    **{name: 2 for name in ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv')},
}
"""Encodings of `sensor_msgs/Image` that are understood, with their bytes for each pixel."""

_JPEG_START = b'\xff\xd8'
_JPEG_END = b'\xff\xd9'
_JPEG_SCAN = 0xDA


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of an image file; grey, 16-bit and transparent images are converted.

    Raises:
        ImageError: missing, empty, truncated, or not an image; the message names the file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or 'unreadable'
        raise ImageError(f'{path}: the image cannot be read ({reason}); check the path') from error
    return decode_compressed(data, str(path))


def decode_compressed(data: Buffer, name: str) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a JPEG, PNG or other compressed image in memory.

    Args:
        data: the compressed bytes.
        name: what to call the image in an error.

    Raises:
        ImageError: empty, truncated, or not an image.
    """
    buffer = np.frombuffer(data, np.uint8)
    if buffer.size == 0:
        raise ImageError(f'{name}: expected an image, found 0 bytes; write the file again')
    if not _is_whole_jpeg(buffer):
        raise ImageError(
            f'{name}: the JPEG is truncated, expected an end marker in {buffer.size} bytes; '
            'copy or record it again'
        )
    return np.asarray(cv2.cvtColor(_decode(buffer, name), cv2.COLOR_BGR2RGB), np.uint8)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """JPEG of an RGB uint8 (H, W, 3) image; `quality` 1 to 100.

    Raises:
        ImageError: not a non-empty uint8 array of that shape.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ImageError(
            f'cannot encode as JPEG: expected RGB uint8 (H, W, 3), found {rgb.dtype} {rgb.shape}'
        )
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def check_raw_image(
    encoding: str, height: int, width: int, step: int, size_bytes: int, name: str
) -> None:
    """Check that the buffer of a `sensor_msgs/Image` holds what its fields say.

    Args:
        encoding: one of `RAW_ENCODINGS`.
        height: rows.
        width: columns.
        step: bytes from one row to the next; may exceed the pixels (padding).
        size_bytes: length of the buffer; the last row's padding may be absent.
        name: what to call the image in an error.

    Raises:
        ImageError: unknown encoding, zero size, odd width of yuv422, short step or short buffer.
    """
    if encoding not in RAW_ENCODINGS:
        known = ', '.join(sorted(RAW_ENCODINGS))
        raise ImageError(
            f'{name}: encoding {encoding!r} is not supported; expected one of {known}'
        )
    if height <= 0 or width <= 0:
        raise ImageError(f'{name}: {encoding} image of zero size, {width} x {height} px')
    if RAW_ENCODINGS[encoding] == 2 and 'yu' in encoding and width % 2:
        raise ImageError(f'{name}: {encoding} needs an even width, found {width} px')
    row_bytes = width * RAW_ENCODINGS[encoding]
    if step < row_bytes:
        raise ImageError(
            f'{name}: {encoding} rows of {width} px need a step of {row_bytes} bytes, found {step}'
        )
    needed = step * (height - 1) + row_bytes
    if size_bytes < needed:
        raise ImageError(
            f'{name}: truncated {encoding} image, {width} x {height} px with step {step} need '
            f'{needed} bytes, found {size_bytes}'
        )


def packed_rows(
    data: Buffer, encoding: str, height: int, width: int, step: int
) -> NDArray[np.uint8]:
    """Flat uint8 pixels of a checked raw image without row padding; no copy where there is none.

    Converters assume rows without padding, drivers may align them: call after `check_raw_image`.
    """
    row_bytes = width * RAW_ENCODINGS[encoding]
    flat = np.frombuffer(data, np.uint8)
    if step == row_bytes:
        return flat[: row_bytes * height]
    rows = np.lib.stride_tricks.as_strided(flat, (height, row_bytes), (step, 1), writeable=False)
    return np.ascontiguousarray(rows).reshape(-1)


def _decode(buffer: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """BGR uint8 (H, W, 3) as OpenCV has it."""
    try:
        image = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f'{name}: the image cannot be decoded ({error.err})') from error
    if image is None or image.size == 0:
        raise ImageError(
            f'{name}: expected an image, found {buffer.size} bytes that are damaged or of another '
            'kind; replace or remove the file'
        )
    return np.asarray(image, np.uint8)


def _is_whole_jpeg(buffer: NDArray[np.uint8]) -> bool:
    """False for a JPEG without an end marker behind its scan; older decoders fill it with grey."""
    if buffer[:2].tobytes() != _JPEG_START:
        return True
    data = buffer.tobytes()
    scan = _first_scan(data)
    return scan >= 0 and data.find(_JPEG_END, scan) >= 0


def _first_scan(data: bytes) -> int:
    """Offset of the first scan's marker, found by walking the segments before it; -1 if none."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        if data[offset + 1] == _JPEG_SCAN:
            return offset
        is_fill = data[offset + 1] == 0xFF
        length = int.from_bytes(data[offset + 2 : offset + 4], 'big')
        offset += 1 if is_fill else 2 + length
    return -1
