"""Image messages to RGB and back; free functions without state.

`cv_bridge` is used where it is installed (a ROS machine), `rosbags.image` otherwise. Both receive
images simplified by `core/raw_image.py`, and give the same pixels.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import ConfigError, ImageError
from ghost_vpr_ros.core.image import decode_compressed
from ghost_vpr_ros.core.raw_image import RawImage, simplified

RgbImage = NDArray[np.uint8]
Converter = Callable[[RawImage], RgbImage]

_INSTALL = (
    'install cv_bridge (`apt install ros-$ROS_DISTRO-cv-bridge`) or rosbags-image '
    '(`pip install rosbags-image`)'
)


def image_from_message(
    message: Image | CompressedImage,
    config: ImageConfig | None = None,
    least_side_px: int = 0,
) -> RgbImage:
    """RGB uint8 (H, W, 3) of an image message of either kind.

    Args:
        message: raw or compressed.
        config: how large a compressed image may be.
        least_side_px: of a JPEG, see `decode_compressed`.

    Raises:
        ImageError: unknown encoding, zero size, truncated, too large or undecodable; names the
            encoding.
    """
    if isinstance(message, CompressedImage):
        name = f'compressed image of format {message.format!r}'
        return decode_compressed(message.data, name, message.format, config, least_side_px)
    return rgb_from_raw(message, convert_raw)


def rgb_from_raw(message: Image, convert: Converter | None) -> RgbImage:
    """RGB uint8 (H, W, 3) of a raw image, checked and simplified before `convert` sees it.

    Raises:
        ImageError: the fields contradict the buffer, the encoding is not known, or the converter
            fails.
    """
    raw = simplified(
        message.encoding,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
        message.data,
        'image message',
    )
    try:
        return np.ascontiguousarray((convert or _no_converter)(raw))
    except Exception as error:
        # The two converters share no exception class of their own.
        raise ImageError(
            f'image message: encoding {message.encoding!r} of {message.width} x {message.height} '
            f'px cannot be converted to rgb8 ({error}); publish rgb8 or bgr8 instead'
        ) from error


def check_converter() -> None:
    """Check that images can be converted on this machine.

    Raises:
        ConfigError: neither package is installed; with the commands that install them.
    """
    if convert_raw is None:
        raise ConfigError(f'no converter of image messages is installed; {_INSTALL}')


def _no_converter(_: RawImage) -> RgbImage:
    raise ConfigError(_INSTALL)


def raw_message(rgb: RgbImage, header: Header) -> Image:
    """`sensor_msgs/Image` in rgb8 of an RGB uint8 (H, W, 3) image."""
    height, width = rgb.shape[:2]
    message = Image(header=header, height=height, width=width, encoding='rgb8', step=3 * width)
    message.data = byte_array(rgb.tobytes())
    return message


def compressed_message(jpeg: bytes, header: Header) -> CompressedImage:
    """`sensor_msgs/CompressedImage` of an image encoded as JPEG."""
    message = CompressedImage(header=header, format='jpeg')
    message.data = byte_array(jpeg)
    return message


def byte_array(data: bytes) -> array[int]:
    """The only type that messages accept without checking each element (0.2 ms against 24 ms)."""
    return array('B', data)


def _find_cv_bridge() -> Converter | None:
    """The converter of a working `cv_bridge`, or None."""
    try:
        from cv_bridge import CvBridge

        bridge: Any = CvBridge()
    except (ImportError, AttributeError):
        # AttributeError: a cv_bridge that was built for another numpy.
        return None
    return lambda raw: bridge.imgmsg_to_cv2(raw, desired_encoding='rgb8')


def _find_rosbags() -> Converter | None:
    """The converter of `rosbags-image`, or None."""
    try:
        from rosbags.image import image_to_cvimage
    except ImportError:
        return None
    return lambda raw: np.asarray(image_to_cvimage(raw, 'rgb8'), np.uint8)  # type: ignore[arg-type]


convert_with_cv_bridge = _find_cv_bridge()
convert_with_rosbags = _find_rosbags()
convert_raw = convert_with_cv_bridge or convert_with_rosbags
