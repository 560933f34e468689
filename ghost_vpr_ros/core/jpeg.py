"""Whether a JPEG is complete, and how much work it is to decode.

Decoders silently fill missing data with mid-grey, so half a picture passes as a picture. An end
marker proves nothing: some cameras omit it or pad after it, and a repaired file has one after half
of its data. The picture is complete if additional data do not change it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.image_header import jpeg_segments

END = b'\xff\xd9'
MOST_SCANS = 100
"""A progressive JPEG has about ten scans; each costs a pass over the whole picture."""

_SCAN = 0xDA
_PROGRESSIVE = 0xC2
_FILL_GREY = 128
_CORNER_PX = 8
_MORE_DATA = b'\x55\xaa' * 32


def with_end_marker(data: bytes) -> bytes | None:
    """The JPEG with an end marker, which is added if it is missing; None if it is truncated.

    Zeros after the data are padding, except for one that may belong to it. A progressive JPEG
    without an end marker lacks whole scans.
    """
    scan = first_scan(data)
    if scan < 0:
        return None
    # From the end, where it nearly always is.
    if data.rfind(END, scan) >= 0:
        return data
    body = data.rstrip(b'\0')
    whole = (body if len(body) == len(data) else body + b'\0') + END
    is_progressive = any(marker == _PROGRESSIVE for marker, _, _ in jpeg_segments(data))
    return None if is_progressive or takes_more_data(whole) else whole


def count_scans(data: bytes) -> int:
    """How many scans a JPEG has; entropy-coded data cannot look like the marker of one."""
    scan = first_scan(data)
    return 0 if scan < 0 else data.count(bytes((0xFF, _SCAN)), scan) + 1


def first_scan(data: bytes) -> int:
    """Offset of the first scan's data, found by walking the segments before it; -1 if none."""
    return next((start for marker, start, _ in jpeg_segments(data) if marker == _SCAN), -1)


def is_filled_up(data: bytes, picture: NDArray[np.uint8], divisor: int) -> bool:
    """Whether the end of a decoded JPEG is a decoder's grey and not the camera's.

    Args:
        data: of a JPEG with an end marker.
        picture: (H, W, 3) uint8 as decoded from it, however turned.
        divisor: by how much it was made smaller.
    """
    return _has_grey_corner(picture, _CORNER_PX // divisor) and takes_more_data(data)


def takes_more_data(data: bytes) -> bool:
    """Whether more data before the end marker change the picture: then some are missing."""
    end = data.rfind(END)
    # 0xFF before the end only fills; before further data it would begin a marker.
    longer = data[:end].rstrip(b'\xff') + _MORE_DATA + data[end:]
    picture, other = _decoded(data), _decoded(longer)
    return picture is None or other is None or not np.array_equal(picture, other)


def _decoded(data: bytes) -> cv2.typing.MatLike | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def _has_grey_corner(picture: NDArray[np.uint8], side_px: int) -> bool:
    """Any corner counts: the picture may have been turned upright."""
    near, far = slice(0, side_px), slice(-side_px, None)
    corners = [picture[rows, columns] for rows in (near, far) for columns in (near, far)]
    return any(bool((corner == _FILL_GREY).all()) for corner in corners)
