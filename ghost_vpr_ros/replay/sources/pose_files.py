"""Poses of a drive from files in the formats of KITTI and TUM, joined to its images.

| file | a line | images |
|---|---|---|
| KITTI `poses.txt` | 12 numbers: `world_T_camera` (3, 4), row by row | a line for each, in order |
| TUM | `seconds x y z qx qy qz qw`, `#` starts a remark | by stamp; without stamps in order |

KITTI's camera looks along z with y down; here a camera's body looks along x with z up. A
`times.txt` beside KITTI's poses, or beside the images, gives the stamps.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.camera import BODY_R_OPTICAL
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.poses import rotation_to_quaternion
from ghost_vpr_ros.replay.bags.position_track import make_track
from ghost_vpr_ros.replay.sources.image_sources import ImageSource

_KITTI_NUMBERS, _TUM_NUMBERS = 12, 8
_TIMES = 'times.txt'
_MOST_SECONDS = (2**63 - 1) // 10**9
_NOT_A_TURN = 0.1
_SAME_DRIVE = 'are they of the same drive?'
_JOINED_BY_TIME = (
    'poses are joined by time where images have stamps, as names such as 1305031102.175304.png '
    'or in a manifest (stamp_s)'
)


def with_poses(source: ImageSource, path: Path, max_gap_s: float) -> ImageSource:
    """The source with the poses of a file instead of its own positions.

    Args:
        source: images in order.
        path: KITTI or TUM, distinguished by the numbers in a line.
        max_gap_s: longest time between two poses of TUM across which is interpolated.

    Raises:
        SourceError: unreadable, neither of the two, or of other images: another number of lines,
            or no pose at any of their stamps.
    """
    rows = _rows(path)
    if rows.shape[1] == _KITTI_NUMBERS:
        stamps = _stamps_of_kitti(source, path, len(rows))
        poses = [_pose_of_kitti(row) for row in rows]
        return replace(source, frames=_in_order(source, poses, stamps, path, is_kitti=True))
    stamps_ns = _stamps_of_seconds(rows[:, 0], path)
    poses = [Pose(row[1:4], row[4:] / np.linalg.norm(row[4:])) for row in rows]
    if all(frame.stamp_ns == UNKNOWN_STAMP_NS for frame in source.frames):
        return replace(source, frames=_in_order(source, poses, stamps_ns, path, is_kitti=False))
    track = make_track(list(zip(stamps_ns, poses, strict=True)), max_gap_s, max_hold_s=0.0)
    frames = [replace(f, geo=None, pose=track.at(f.stamp_ns)) for f in source.frames]
    if not any(frame.pose for frame in frames):
        raise SourceError(
            f'{path}: expected poses at the stamps of {source.name}, found none for any of '
            f'{len(frames)} images; are both of the same drive, and the clocks the same?'
        )
    return replace(source, frames=frames)


def _in_order(
    source: ImageSource,
    poses: Sequence[Pose],
    stamps_ns: Sequence[int] | None,
    path: Path,
    *,
    is_kitti: bool,
) -> list[Frame]:
    if len(poses) != len(source):
        raise SourceError(
            f'{path}: expected one pose for each of {len(source)} images of {source.name}, found '
            f'{len(poses)}; {_SAME_DRIVE if is_kitti else _JOINED_BY_TIME}'
        )
    posed = [replace(f, geo=None, pose=p) for f, p in zip(source.frames, poses, strict=True)]
    if stamps_ns is None:
        return posed
    return [replace(frame, stamp_ns=ns) for frame, ns in zip(posed, stamps_ns, strict=True)]


def _stamps_of_kitti(source: ImageSource, path: Path, count: int) -> list[int] | None:
    """Nanoseconds of the images from `times.txt`; None where there is none."""
    folder = Path(source.name)
    places = (path.parent, folder, folder.parent)
    file = next((each / _TIMES for each in places if (each / _TIMES).is_file()), None)
    if file is None:
        return None
    seconds = _numbers(file)
    if seconds.shape != (count, 1):
        raise SourceError(f'{file}: expected {count} lines with a time each, found {len(seconds)}')
    return _stamps_of_seconds(seconds[:, 0], file)


def _stamps_of_seconds(seconds: NDArray[np.float64], path: Path) -> list[int]:
    """Nanoseconds; other units of the day are recognised by their size."""
    odd = [value for value in seconds.tolist() if not 0.0 <= value <= _MOST_SECONDS]
    if odd:
        raise SourceError(
            f'{path}: expected seconds of 0 .. {_MOST_SECONDS:.0f} as stamps, found {odd[0]:.12g}'
            + ('; divide nanoseconds by 1e9' if odd[0] > 0 else '')
        )
    return [round(1e9 * value) for value in seconds.tolist()]


def _pose_of_kitti(row: NDArray[np.float64]) -> Pose:
    """The body's pose in a world that starts as the body does: x forward, y left, z up."""
    world_T_camera = row.reshape(3, 4)
    turn = BODY_R_OPTICAL @ world_T_camera[:, :3] @ BODY_R_OPTICAL.T
    return Pose(BODY_R_OPTICAL @ world_T_camera[:, 3], rotation_to_quaternion(turn))


def _rows(path: Path) -> NDArray[np.float64]:
    rows = _numbers(path)
    if rows.size == 0 or rows.shape[1] not in (_KITTI_NUMBERS, _TUM_NUMBERS):
        raise SourceError(
            f'{path}: expected poses, {_KITTI_NUMBERS} numbers a line (KITTI) or {_TUM_NUMBERS} '
            f'(TUM: seconds x y z qx qy qz qw), found {rows.shape[1] if rows.size else "none"}'
        )
    is_bad = rows.shape[1] == _TUM_NUMBERS and (np.linalg.norm(rows[:, 4:], axis=1) < 0.5).any()
    if is_bad or not np.isfinite(rows).all():
        raise SourceError(f'{path}: expected finite numbers and unit quaternions, found others')
    if rows.shape[1] == _KITTI_NUMBERS:
        turns = rows.reshape(-1, 3, 4)[:, :, :3]
        if np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max() > _NOT_A_TURN:
            raise SourceError(
                f'{path}: expected rotation matrices as KITTI has them, found others'
            )
    return rows


def _numbers(path: Path) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            # Of an empty file, which is refused by its shape.
            warnings.simplefilter('ignore')
            return np.loadtxt(path, dtype=np.float64, ndmin=2, encoding='utf-8-sig')
    except (OSError, ValueError) as error:
        raise SourceError(
            f'{path}: expected lines of numbers, the same count in each, found {error}'
        ) from error
