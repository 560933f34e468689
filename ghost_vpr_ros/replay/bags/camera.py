"""The camera of a bag, as its driver announced it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.bags.file import BagFile

CAMERA_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'


def bag_camera(path: Path) -> CameraIntrinsics | None:
    """Intrinsics of the first CameraInfo that is filled in; None without one, or with two topics.

    Raises:
        BagError: damaged.
    """
    bag = BagFile(path)
    topics = [t.name for t in bag.topics() if t.msgtype == CAMERA_INFO_TYPE and t.count > 0]
    if len(topics) != 1:
        return None
    for message in bag.messages(topics):
        content = message.content
        # ROS 1 writes its matrices with capital letters.
        k, d = (getattr(content, name, None) for name in ('k', 'd'))
        if k is None or d is None:
            k, d = content.K, content.D
        try:
            return CameraIntrinsics.from_camera_info(
                np.asarray(k), np.asarray(d), content.distortion_model, content.width,
                content.height,
            )  # fmt: skip
        except ConfigError:
            continue
    return None
