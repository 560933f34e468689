"""Descriptors in the form of `rtabmap_msgs/msg/GlobalDescriptor`.

Source: introlab/rtabmap `Compression.cpp`, `Signature.cpp`; introlab/rtabmap_ros
`MsgConversion.cpp`. `data` is a cv::Mat: its bytes deflated by zlib, then rows, columns and type
as three int32 in the machine's byte order. `Signature::compareTo` takes descriptors of type 1 as
unit vectors and compares them by their dot product; it does so where `Kp/TfIdfLikelihoodUsed` is
false, and only between nodes that all have one. The message reaches RTAB-Map inside an
`RGBDImage` (or a `ScanDescriptor`) only.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from ghost_vpr_ros.ros.image_conversions import byte_array

NORMALISED = 1
"""Descriptors of this type are compared by their dot product."""

_CV_32FC1 = 5


def compressed_row(descriptor: NDArray[np.float32]) -> bytes:
    """A descriptor (D,) float32 as RTAB-Map's `compressData` of a matrix 1 x D."""
    size = np.array([1, len(descriptor), _CV_32FC1], np.int32)
    return zlib.compress(np.asarray(descriptor, np.float32).tobytes()) + size.tobytes()


def write_descriptor(descriptor: NDArray[np.float32], header: Header, message: Any) -> None:
    """Into an empty `GlobalDescriptor`: a unit vector (D,) float32 of the image in `header`."""
    message.header = header
    message.type = NORMALISED
    message.data = byte_array(compressed_row(descriptor))
