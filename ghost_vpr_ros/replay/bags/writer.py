"""Images, positions and calibration become a ROS 2 bag, streamed frame by frame.

The bag is written under a hidden temporary name and renamed when it is complete, so that a killed
process never leaves something that looks like a bag. Without ground truth in TF: the transform
from map to odom is what a localiser should find, it is only in `/ground_truth/pose`.
"""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.datatypes import GeoPoint, Pose, Progress
from ghost_vpr_ros.core.errors import BagError, OutputError
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.replay.bags import messages as build
from ghost_vpr_ros.replay.config import BagConfig

COMPRESSED_TOPIC = '/camera/image/compressed'
RAW_TOPIC = '/camera/image'
CAMERA_INFO_TOPIC = '/camera/camera_info'
FIX_TOPIC = '/fix'
ODOMETRY_TOPIC = '/odom'
TRUTH_TOPIC = '/ground_truth/pose'
INFO_TOPIC = '/bag_info'

_LAST_STAMP_NS = 2**31 * 10**9 - 1
_MCAP_MAGIC_BYTES, _MCAP_CHUNK = 8, 0x06
_NO_TIME = QosTime(0, 0)
_LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _NO_TIME,
    _NO_TIME,
    QosLiveliness.AUTOMATIC,
    _NO_TIME,
    False,
)
_IDENTITY = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))


@dataclass(frozen=True)
class BagFrame:
    """The data of one instant; only the given parts are written.

    Attributes:
        stamp_ns: of every message of this frame, header and log time alike.
        load: returns RGB uint8 (H, W, 3); None for positions between two images.
        geo: WGS84 position for NavSatFix.
        geo_sigma_m: its standard deviation in each axis; None where it is not known.
        truth: pose of the base in the map frame.
        odometry: pose of the base in the odometry frame, with covariance.
    """

    stamp_ns: int
    load: Callable[[], NDArray[np.uint8]] | None = None
    geo: GeoPoint | None = None
    geo_sigma_m: float | None = None
    truth: Pose | None = None
    odometry: Pose | None = None


def write_bag(
    path: str | Path,
    frames: Iterable[BagFrame],
    config: BagConfig | None = None,
    *,
    camera: CameraIntrinsics | None = None,
    base_T_camera: Pose = _IDENTITY,
    info: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> int:
    """Write a bag folder; the number of images in it.

    Args:
        path: a new folder; its parents are made.
        frames: in order of stamps; consumed one by one.
        config: storage and image format.
        camera: written as CameraInfo beside each image.
        base_T_camera: pose of the camera's body (x forward) on the base, for `/tf_static`.
        info: written as JSON to the latched topic `/bag_info`.
        progress: called with 1 after each frame.

    Raises:
        BagError: no frames, stamps that go backwards, or a stamp beyond 2038.
        OutputError: the path exists, or cannot be written (no space, no permission).
        ImageError: an image cannot be loaded. Nothing is left behind by any of these.
    """
    config = config or BagConfig()
    path = Path(path)
    with _complete_or_absent(path) as unfinished:
        plugin = StoragePlugin[config.storage.upper()]
        # Version 8 is the newest that ROS 2 Humble's reader takes, too.
        with Writer(unfinished, version=8, storage_plugin=plugin) as writer:
            stream = _Stream(writer, config, camera, path)
            for number, frame in enumerate(frames):
                if number == 0:
                    stream.put_once(frame.stamp_ns, base_T_camera, info or {})
                stream.put(frame)
                if progress is not None:
                    progress(1)
            stream.check_not_empty()
        if config.storage == 'mcap':
            _write_chunk_checksums(unfinished / f'{unfinished.name}.mcap')
    return stream.num_images


class _Stream:
    """Turns frames into messages of an open bag; each topic is added when it is first used."""

    def __init__(
        self, writer: Writer, config: BagConfig, camera: CameraIntrinsics | None, path: Path
    ) -> None:
        self.num_images = 0
        self._writer, self._config, self._camera, self._path = writer, config, camera, path
        self._connections: dict[str, Any] = {}
        self._last_stamp_ns: int | None = None

    def put_once(self, stamp_ns: int, base_T_camera: Pose, info: Mapping[str, str]) -> None:
        """The latched messages: a description of the bag, and the mount of the camera."""
        self._check_stamp(stamp_ns)
        optical = Pose(np.zeros(3), build.BODY_Q_OPTICAL)
        mount = (build.BASE_FRAME, build.CAMERA_FRAME, base_T_camera)
        lens = (build.CAMERA_FRAME, build.OPTICAL_FRAME, optical)
        self._send('/tf_static', build.transforms(stamp_ns, [mount, lens]), stamp_ns, _LATCHED)
        if info:
            text = build.message('std_msgs/String', json.dumps(dict(info), sort_keys=True))
            self._send(INFO_TOPIC, text, stamp_ns, _LATCHED)

    def put(self, frame: BagFrame) -> None:
        """All messages of one frame, positions before the image."""
        stamp_ns = frame.stamp_ns
        self._check_stamp(stamp_ns)
        if frame.odometry is not None:
            self._put_odometry(stamp_ns, frame.odometry)
        if frame.geo is not None:
            fix = build.nav_sat_fix(stamp_ns, frame.geo, frame.geo_sigma_m)
            self._send(FIX_TOPIC, fix, stamp_ns)
        if frame.truth is not None:
            self._send(TRUTH_TOPIC, build.pose_stamped(stamp_ns, frame.truth), stamp_ns)
        if frame.load is not None:
            self._put_image(stamp_ns, frame.load())

    def check_not_empty(self) -> None:
        """Refuse a bag without a frame."""
        if self._last_stamp_ns is None:
            raise BagError(
                f'{self._path}: expected frames to write, found none; nothing is written'
            )

    def _put_odometry(self, stamp_ns: int, pose: Pose) -> None:
        self._send(ODOMETRY_TOPIC, build.odometry(stamp_ns, pose), stamp_ns)
        if pose.quaternion_xyzw is not None:
            link = (build.ODOM_FRAME, build.BASE_FRAME, pose)
            self._send('/tf', build.transforms(stamp_ns, [link]), stamp_ns)

    def _put_image(self, stamp_ns: int, rgb: NDArray[np.uint8]) -> None:
        self.num_images += 1
        if self._camera is not None:
            self._send(CAMERA_INFO_TOPIC, build.camera_info(stamp_ns, self._camera), stamp_ns)
        if self._config.image_format == 'raw':
            self._send(RAW_TOPIC, build.raw_image(stamp_ns, rgb), stamp_ns)
            return
        jpeg = encode_jpeg(rgb, self._config.jpeg_quality)
        self._send(COMPRESSED_TOPIC, build.compressed_image(stamp_ns, jpeg), stamp_ns)

    def _send(self, topic: str, message: Any, stamp_ns: int, qos: Qos | None = None) -> None:
        msgtype = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic,
                msgtype,
                typestore=build.typestore,
                offered_qos_profiles=[] if qos is None else [qos],
            )
        data = build.typestore.serialize_cdr(message, msgtype)
        self._writer.write(self._connections[topic], stamp_ns, data)

    def _check_stamp(self, stamp_ns: int) -> None:
        last_ns = self._last_stamp_ns
        if last_ns is not None and stamp_ns < last_ns:
            raise BagError(
                f'{self._path}: expected frames in order of time, found stamp {stamp_ns} ns after '
                f'{last_ns} ns; sort them'
            )
        if not 0 <= stamp_ns <= _LAST_STAMP_NS:
            raise BagError(
                f'{self._path}: stamp {stamp_ns} ns does not fit into a ROS message '
                f'(0 .. {_LAST_STAMP_NS} ns); correct the stamps'
            )
        self._last_stamp_ns = stamp_ns


def _write_chunk_checksums(path: Path) -> None:
    """Fill in the CRC-32 of each chunk, which rosbags' writer leaves out and its reader checks."""
    with path.open('r+b') as file:
        file.seek(_MCAP_MAGIC_BYTES)
        while len(head := file.read(9)) == 9:
            code, size = struct.unpack('<BQ', head)
            start = file.tell()
            if code == _MCAP_CHUNK:
                chunk = file.read(size)
                # Times and size, the CRC, the name of the compression (none), the records' size.
                file.seek(start + 24)
                file.write(struct.pack('<I', zlib.crc32(chunk[40:])))
            file.seek(start + size)


@contextmanager
def _complete_or_absent(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` at the end and removed on any error.

    The last part of its name is kept, since the storage's file is named after it.
    """
    if path.exists():
        raise OutputError(f'{path}: exists already and is not overwritten; choose a new name')
    parent = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        parent = Path(tempfile.mkdtemp(prefix=f'.{path.name}.partial-', dir=path.parent))
        yield parent / path.name
        (parent / path.name).rename(path)
    except (OSError, sqlite3.Error) as error:
        raise OutputError(f'{path}: the bag cannot be written ({_reason(error)})') from error
    finally:
        if parent is not None:
            shutil.rmtree(parent, ignore_errors=True)


def _reason(error: Exception) -> str:
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if is_full or 'full' in str(error):
        return 'the disk is full; free some space or write elsewhere'
    return getattr(error, 'strerror', None) or str(error)
