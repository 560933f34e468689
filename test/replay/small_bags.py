"""Small bags for the tests of reading: any messages, in any of the three formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_typestore

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.replay.bags import messages as build

START_NS = 1_700_000_000 * 10**9
ROS1 = get_typestore(Stores.ROS1_NOETIC)

Record = tuple[str, int, Any]


def picture(number: int, height: int = 24, width: int = 32) -> np.ndarray:
    """RGB uint8 (H, W, 3), smooth enough for JPEG, another one for each number."""
    coarse = np.random.default_rng(number).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height))


def image(number: int, stamp_ns: int | None = None, topic: str = '/cam/compressed') -> Record:
    stamp_ns = START_NS + number * 10**8 if stamp_ns is None else stamp_ns
    return topic, stamp_ns, build.compressed_image(stamp_ns, encode_jpeg(picture(number), 95))


def fix(stamp_ns: int, latitude: float, longitude: float, topic: str = '/fix') -> Record:
    return topic, stamp_ns, build.nav_sat_fix(stamp_ns, GeoPoint(latitude, longitude, 5.0), 1.0)


def pose_record(stamp_ns: int, x: float, topic: str = '/pose') -> Record:
    return topic, stamp_ns, build.pose_stamped(stamp_ns, planar(x, 0.0))


def planar(x: float, y: float, yaw_rad: float = 0.0) -> Pose:
    quaternion = np.array([0.0, 0.0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)])
    return Pose(np.array([x, y, 0.0]), quaternion)


def write_records(path: Path, records: list[Record], storage: str = 'mcap') -> Path:
    """A bag of these messages at `path` with the suffix of its format; the path is returned."""
    is_ros1 = storage == 'ros1'
    if is_ros1:
        path = path.with_suffix('.bag')
        writer: Any = rosbag1.Writer(path)
    else:
        plugin = rosbag2.StoragePlugin[storage.upper()]
        writer = rosbag2.Writer(path, version=8, storage_plugin=plugin)
    with writer:
        connections: dict[str, Any] = {}
        for topic, stamp_ns, content in records:
            kind = content.__msgtype__
            if topic not in connections:
                typestore = ROS1 if is_ros1 else build.typestore
                connections[topic] = writer.add_connection(topic, kind, typestore=typestore)
            data = build.typestore.serialize_cdr(content, kind)
            if is_ros1:
                data = build.typestore.cdr_to_ros1(data, kind)
            writer.write(connections[topic], stamp_ns, data)
    return path
