"""Drives round a circle, as true poses and as odometry, for the tests of the pose graph."""

from __future__ import annotations

import numpy as np

from ghost_vpr_ros.core.datatypes import Keyframe, Pose
from ghost_vpr_ros.core.poses import rotation_about_z
from ghost_vpr_ros.replay.pose_graph.closures import Closure
from ghost_vpr_ros.replay.pose_graph.odometry_track import OdometryTrack

RADIUS_M = 40.0


def circle(count: int, images_of_a_lap: int) -> np.ndarray:
    """(count, 4, 4) poses on a circle of `RADIUS_M`, looking along it, slowly going uphill."""
    poses = []
    for number in range(count):
        angle = 2 * np.pi * number / images_of_a_lap
        pose = rotation_about_z(angle + np.pi / 2)
        pose[:3, 3] = RADIUS_M * np.cos(angle), RADIUS_M * np.sin(angle), 0.01 * number
        poses.append(pose)
    return np.array(poses)


def track(poses: np.ndarray, breaks: tuple = ()) -> OdometryTrack:
    """Odometry with one image a second."""
    stamps = np.arange(len(poses), dtype=np.int64) * 10**9
    return OdometryTrack(stamps, poses, breaks, 'test')


def keyframe(number: int, position: np.ndarray, quaternion: np.ndarray | None = None) -> Keyframe:
    return Keyframe(number, 'map', number, f'{number}', Pose(position, quaternion))


def own_closure(query: int, earlier: int) -> Closure:
    """A closure inside the drive; where its keyframe stands does not matter."""
    return Closure(query, keyframe(earlier, np.zeros(3)), earlier, 1.0, 1.0)


def map_closure(query: int, position: np.ndarray) -> Closure:
    """A closure with a keyframe of another drive, whose heading is not known."""
    return Closure(query, keyframe(query + 1, position), None, 1.0, 1.0)
