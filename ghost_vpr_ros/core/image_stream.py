"""Images from a folder, a video file or a camera, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.datatypes import ScalableLoad
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import (
    HEIC_SUFFIXES,
    IMAGE_SUFFIXES,
    natural_key,
    read_image,
    valid_text,
)

_CAMERA_TIMEOUT_S = 5.0
_VIDEO_STEP = 'name a video, a folder of images or a camera; ghost-vpr replay answers bags'
_CAMERA_STEP = 'check the name and the permissions (v4l2-ctl --list-devices lists cameras)'


@dataclass(frozen=True)
class StreamedImage:
    """One image.

    Attributes:
        name: of the file, or of the video with the number of the frame.
        stamp_ns: time of capture (camera); otherwise it starts at one second and follows the
            requested rate (folder) or the video.
        load: returns RGB uint8 (H, W, 3); raises `ImageError`. See `loaded_at_least`.
    """

    name: str
    stamp_ns: int
    load: Callable[[], NDArray[np.uint8]]


def is_camera(source: str) -> bool:
    """Whether a source is a camera: `/dev/video0`, or its number."""
    return source.isdigit() or source.startswith('/dev/')


def stream_images(
    source: str, rate_hz: float, config: ImageConfig | None = None
) -> Iterator[StreamedImage]:
    """The images of a source; a camera goes on until the caller stops or it is unplugged.

    Args:
        source: folder (in natural order of the names), video file, or camera.
        rate_hz: at most so many images for each second of a video or a camera; the stamps of a
            folder's images are so far apart.
        config: limits of images.

    Raises:
        SourceError: missing, or without an image that can be read.
    """
    if source and is_camera(source):
        return _camera_images(source, rate_hz)
    if source and Path(source).is_file():
        return _video_images(Path(source), rate_hz)
    images = list_images(source)
    return (
        StreamedImage(
            valid_text(path.name),
            _stamp_ns(number / rate_hz),
            ScalableLoad(partial(read_image, path, config)),
        )
        for number, path in enumerate(images)
    )


def list_images(folder: str) -> list[Path]:
    """The image files directly inside a folder in natural order (2 before 10), no hidden ones.

    HEIC photos are there: each is refused by name when it is read without its decoder.

    Raises:
        SourceError: no folder is named, it is missing, or it holds no image.
    """
    if not folder or not Path(folder).is_dir():
        raise SourceError(
            'expected a folder of images, a video file or a camera such as /dev/video0, found '
            f'{folder!r}; check the path'
        )
    images = [
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in (*IMAGE_SUFFIXES, *HEIC_SUFFIXES)
        and not path.name.startswith('.')
        and (path.is_file() or not path.exists())
    ]
    images.sort(key=lambda path: natural_key(path.name))
    if not images:
        raise SourceError(
            f'{folder}: expected images ({", ".join(IMAGE_SUFFIXES)}) directly in this folder, '
            'found none; name the folder that holds them (ghost-vpr replay answers bags)'
        )
    return images


def _stamp_ns(seconds: float) -> int:
    """Stamps begin at one second: zero is read as "not set"."""
    return 1_000_000_000 + round(seconds * 1e9)


def _video_images(path: Path, rate_hz: float) -> Iterator[StreamedImage]:
    capture = _opened(str(path), f'{path}: expected a video that OpenCV reads', _VIDEO_STEP)
    first = _read(capture)
    if first is None:
        capture.release()
        raise SourceError(f'{path}: expected a video, found no frame in it; {_VIDEO_STEP}')
    return _frames_of(capture, first, path.name, rate_hz)


def _frames_of(
    capture: cv2.VideoCapture, first: NDArray[np.uint8], name: str, rate_hz: float
) -> Iterator[StreamedImage]:
    frame: NDArray[np.uint8] | None = first
    number, next_s = 0, 0.0
    frame_s = 1.0 / (capture.get(cv2.CAP_PROP_FPS) or rate_hz)
    try:
        while frame is not None:
            at_s = number * frame_s
            if at_s >= next_s - 0.5 * frame_s:
                next_s += 1.0 / rate_hz
                yield StreamedImage(f'{name}[{number}]', _stamp_ns(at_s), partial(_same, frame))
            frame, number = _read(capture), number + 1
    finally:
        capture.release()


def _same(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frame


def _camera_images(source: str, rate_hz: float) -> Iterator[StreamedImage]:
    device: str | int = int(source) if source.isdigit() else source
    capture = _opened(device, f'{source}: expected a camera that can be opened', _CAMERA_STEP)
    return _newest_of(capture, source, rate_hz)


def _newest_of(capture: cv2.VideoCapture, source: str, rate_hz: float) -> Iterator[StreamedImage]:
    """The newest picture of a camera when the caller is ready; older ones are skipped."""
    newest = _NewestFrame(capture)
    next_s, number = time.monotonic(), 0
    try:
        while (found := newest.take()) is not None:
            frame, stamp_ns = found
            yield StreamedImage(f'{source}[{number}]', stamp_ns, partial(_same, frame))
            number += 1
            next_s = max(next_s + 1.0 / rate_hz, time.monotonic())
            time.sleep(max(0.0, next_s - time.monotonic()))
        if not number:
            raise SourceError(
                f'{source}: expected pictures of this camera, found none in '
                f'{_CAMERA_TIMEOUT_S:g} s; is another program using it, or is it one that gives '
                'only metadata (v4l2-ctl --list-devices lists cameras)?'
            )
    finally:
        newest.close()


class _NewestFrame:
    """Reads a camera on a separate thread and keeps the newest picture."""

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture = capture
        self._changed = threading.Condition()
        self._frame: tuple[NDArray[np.uint8], int] | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._is_over:
            frame = _read(self._capture)
            with self._changed:
                self._is_over |= frame is None
                if frame is not None:
                    self._frame = (frame, time.time_ns())
                self._changed.notify()

    def take(self) -> tuple[NDArray[np.uint8], int] | None:
        """A picture that was not taken before, and its stamp; None once the camera is gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._is_over, _CAMERA_TIMEOUT_S)
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """End the thread and free the camera."""
        self._is_over = True
        self._thread.join(_CAMERA_TIMEOUT_S)
        self._capture.release()


def _opened(device: str | int, expected: str, step: str) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        raise SourceError(f'{expected}, found none; {step}')
    return capture


def _read(capture: cv2.VideoCapture) -> NDArray[np.uint8] | None:
    """The next picture, RGB uint8 (H, W, 3); None at the end."""
    is_there, bgr = capture.read()
    if not is_there:
        return None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
