"""Raw images of camera drivers: every encoding becomes one of a few that all converters agree on.

Rows are packed, 16 bits become 8, mosaics and YUV become RGB, and names that state only how many
channels there are get the colours that those who write them mean.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image import (
    RAW_ENCODINGS,
    check_raw_image,
    debayered,
    eight_bits,
    packed_rows,
)

if TYPE_CHECKING:
    from ghost_vpr_ros.core.image import Buffer

AMBIGUOUS = {'8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8'}
"""The meaning of names without colours: `cv2_to_imgmsg` of Python writes them so."""

PLANAR_ENCODINGS = {'nv12': (3, 2), 'nv21': (3, 2), 'nv24': (3, 1)}
"""Encodings with a plane of luma and one of chroma; bytes for each pixel as a fraction."""

_YUV = {
    'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422': cv2.COLOR_YUV2RGB_UYVY,
    'yuyv': cv2.COLOR_YUV2RGB_YUYV,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUYV,
    'nv12': cv2.COLOR_YUV2RGB_NV12,
    'nv21': cv2.COLOR_YUV2RGB_NV21,
}
_DEPTHS = ('16uc1', '32fc1', 'mono32f')
_VIDEO = ('h264', 'h265', 'hevc', 'av1', 'vp8', 'vp9', 'theora')

# ITU-R BT.601, limited range: R, G, B of Y, Cb, Cr and 1.
_RGB_OF_YUV = np.array(
    [
        [1.164, 0.0, 1.596, -1.164 * 16 - 1.596 * 128],
        [1.164, -0.392, -0.813, -1.164 * 16 + (0.392 + 0.813) * 128],
        [1.164, 2.017, 0.0, -1.164 * 16 - 2.017 * 128],
    ]
)


class RawImage(NamedTuple):
    """The fields of `sensor_msgs/Image` that a converter reads.

    Attributes:
        encoding: rgb8, bgr8, rgba8, bgra8 or mono8.
        height: rows.
        width: columns.
        step: bytes of a row, which has no padding.
        is_bigendian: as this machine; the pixels have 8 bits each anyway.
        data: flat uint8.
    """

    encoding: str
    height: int
    width: int
    step: int
    is_bigendian: bool
    data: NDArray[np.uint8]


def simplified(
    encoding: str,
    height: int,
    width: int,
    step: int,
    is_bigendian: bool,
    data: Buffer,
    name: str,
) -> RawImage:
    """The same picture in one of the encodings of `RawImage`.

    Args:
        encoding: of the message.
        height: rows.
        width: columns.
        step: bytes from one row to the next.
        is_bigendian: byte order of 16-bit pixels.
        data: the buffer.
        name: what to call the image in an error.

    Raises:
        ImageError: unknown encoding, or the fields contradict the buffer.
    """
    known = _known(encoding.strip(), name)
    if known in PLANAR_ENCODINGS:
        return _simple('rgb8', _rgb_of_planes(known, height, width, step, data, name))
    check_raw_image(known, height, width, step, len(data), name)
    flat = packed_rows(data, known, height, width, step)
    if known in _YUV:
        pairs = flat.reshape(height, width, 2)
        return _simple('rgb8', np.asarray(cv2.cvtColor(pairs, _YUV[known]), np.uint8))
    known = AMBIGUOUS.get(known, known)
    pixels = _pixels(flat, known, height, width, is_bigendian)
    if known.startswith('bayer_'):
        return _simple('rgb8', debayered(eight_bits(pixels), known))
    return _simple(known.replace('16', '8'), eight_bits(pixels))


def _known(encoding: str, name: str) -> str:
    """The encoding's name as it is spelled here.

    Raises:
        ImageError: unknown; with the next step.
    """
    names = {each.lower(): each for each in (*RAW_ENCODINGS, *PLANAR_ENCODINGS)}
    known = names.get(encoding.lower())
    if known is not None:
        return known
    if encoding.lower() in _DEPTHS:
        hint = 'it comes from a depth camera: choose the topic of its colour or infrared images'
    elif encoding.lower().startswith(_VIDEO):
        hint = 'it is video: decode it first (docs/sources.md), or use JPEG images'
    else:
        hint = f'set the driver to one of {", ".join(sorted(names.values()))}'
    raise ImageError(f'{name}: encoding {encoding!r} is not supported; {hint}')


def _pixels(
    flat: NDArray[np.uint8], encoding: str, height: int, width: int, is_bigendian: bool
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(H, W) or (H, W, C) in this machine's byte order."""
    if not encoding.endswith('16'):
        return _shaped(flat, height, width)
    values = flat.view('>u2' if is_bigendian else '<u2').astype(np.uint16, copy=False)
    return _shaped(values, height, width)


def _shaped(flat: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    channels = flat.size // (height * width)
    return flat.reshape((height, width) if channels == 1 else (height, width, channels))


def _simple(encoding: str, pixels: NDArray[np.uint8]) -> RawImage:
    height, width = pixels.shape[:2]
    flat = np.ascontiguousarray(pixels).reshape(-1)
    return RawImage(encoding, height, width, flat.size // height, sys.byteorder == 'big', flat)


def _rgb_of_planes(
    encoding: str, height: int, width: int, step: int, data: Buffer, name: str
) -> NDArray[np.uint8]:
    """RGB of nv12, nv21 (chroma of 2 x 2 pixels) or nv24 (of each pixel).

    `step` is that of the luma; drivers that give another one, such as bytes by rows, pack.
    """
    if height <= 0 or width <= 0:
        raise ImageError(f'{name}: {encoding} image of zero size, {width} x {height} px')
    is_full = encoding == 'nv24'
    if not is_full and (height % 2 or width % 2):
        raise ImageError(f'{name}: {encoding} needs even sides, found {width} x {height} px')
    times, per = PLANAR_ENCODINGS[encoding]
    rows = height * times // per
    flat = np.frombuffer(data, np.uint8)
    stride = step if step >= width and flat.size >= step * (rows - 1) + width else width
    if flat.size < stride * (rows - 1) + width:
        raise ImageError(
            f'{name}: truncated {encoding} image, {width} x {height} px need {width * rows} '
            f'bytes, found {flat.size}'
        )
    if not is_full:
        both = _plane(flat, rows, width, stride)
        return np.asarray(cv2.cvtColor(both, _YUV[encoding]), np.uint8)
    luma = _plane(flat, height, width, stride)
    chroma = _plane(flat[stride * height :], height, 2 * width, 2 * stride)
    yuv = np.dstack([np.maximum(luma, 16), chroma.reshape(height, width, 2)]).astype(np.float32)
    return np.clip(np.rint(cv2.transform(yuv, _RGB_OF_YUV)), 0, 255).astype(np.uint8)


def _plane(flat: NDArray[np.uint8], rows: int, width: int, stride: int) -> NDArray[np.uint8]:
    """(rows, width) without padding; that of the last row may be absent."""
    found = np.lib.stride_tricks.as_strided(flat, (rows, width), (stride, 1), writeable=False)
    return np.ascontiguousarray(found)
