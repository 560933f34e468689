"""Images of one topic of a bag, each decoded when it is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.image import image_to_cvimage

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.core.image import decode_compressed
from ghost_vpr_ros.core.raw_image import simplified
from ghost_vpr_ros.replay.bags.file import BagFile, Message

IMAGE_TYPE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE_TYPE = 'sensor_msgs/msg/CompressedImage'


class BagImages:
    """Random access to a topic's images by their number in order of recording.

    Reading one after the other goes through the bag once; a jump seeks. Threads read in turn and
    decode at the same time.
    """

    def __init__(
        self,
        bag: BagFile,
        topic: str,
        log_times_ns: Sequence[int],
        config: ImageConfig | None = None,
    ) -> None:
        self._bag, self._topic, self._log_times_ns = bag, topic, log_times_ns
        self._config = config
        self._stream: Iterator[Message] = iter(())
        self._next = -1
        self._reading = threading.Lock()

    def load(self, number: int, least_side_px: int = 0) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3) of one message; `least_side_px` as in `decode_compressed`.

        Raises:
            ImageError: the message holds no image that can be decoded.
            BagError: the bag has changed or is damaged.
        """
        with self._reading:
            if number != self._next:
                self._stream = self._seek(number)
            message = next(self._stream, None)
            self._next = number + 1
        if message is None or message.log_ns != self._log_times_ns[number]:
            raise BagError(f'{self._bag.path}: the bag changed while it was read; open it again')
        name = f'{self._bag.path} {self._topic}[{number}]'
        return rgb_of_message(message.content, name, self._config, least_side_px)

    def _seek(self, number: int) -> Iterator[Message]:
        log_ns = self._log_times_ns[number]
        earlier = number
        while earlier > 0 and self._log_times_ns[earlier - 1] == log_ns:
            earlier -= 1
        return islice(self._bag.messages([self._topic], log_ns), number - earlier, None)


def rgb_of_message(
    content: Any, name: str, config: ImageConfig | None = None, least_side_px: int = 0
) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a sensor_msgs Image or CompressedImage.

    `least_side_px` as in `decode_compressed`.

    Raises:
        ImageError: unsupported, truncated or of zero size; `name` is in the message.
    """
    if hasattr(content, 'format'):
        return decode_compressed(content.data, name, content.format, config, least_side_px)
    raw = simplified(
        content.encoding,
        content.height,
        content.width,
        content.step,
        bool(content.is_bigendian),
        content.data,
        name,
    )
    return np.asarray(image_to_cvimage(raw, 'rgb8'), np.uint8)  # type: ignore[arg-type]
