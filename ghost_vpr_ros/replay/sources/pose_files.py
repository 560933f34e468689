"""Poses of a drive from files in the formats of KITTI and TUM, joined to its images.

| file | a line | images |
|---|---|---|
| KITTI `poses.txt` | 12 numbers: `world_T_camera` (3, 4), row by row | a line for each, in order |
| TUM | `seconds x y z qx qy qz qw`, `#` starts a remark | by stamp; without stamps in order |

KITTI's camera looks along z with y down; here a camera's body looks along x with z up. A
`times.txt` beside KITTI's poses, or beside the images, gives the stamps.
"""

from __future__ import annotations

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
from ghost_vpr_ros.replay.bags.stream_notes import sound_positions
from ghost_vpr_ros.replay.sources.image_sources import ImageSource
from ghost_vpr_ros.replay.sources.number_lines import (
    TUM_LINE,
    TUM_NUMBERS,
    NumberLines,
    read_number_lines,
    stamps_of_seconds,
    tum_poses,
)

_KITTI_NUMBERS = 12
_TIMES = 'times.txt'
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
    content = _content(path)
    if content.numbers.shape[1] == _KITTI_NUMBERS:
        stamps = _stamps_of_kitti(source, path, len(content.lines))
        poses = [_pose_of_kitti(row) for row in content.numbers]
        return replace(source, frames=_in_order(source, poses, stamps, path, is_kitti=True))
    stamped = tum_poses(content)
    if all(frame.stamp_ns == UNKNOWN_STAMP_NS for frame in source.frames):
        stamps, poses = [stamp for stamp, _ in stamped], [pose for _, pose in stamped]
        return replace(source, frames=_in_order(source, poses, stamps, path, is_kitti=False))
    sound, notes = sound_positions(str(path), stamped, is_geo=False)
    track = make_track(sound, max_gap_s, max_hold_s=0.0)
    frames = [replace(f, geo=None, pose=track.at(f.stamp_ns)) for f in source.frames]
    if not any(frame.pose for frame in frames):
        raise SourceError(
            f'{path}: expected poses at the stamps of {source.name}, found none for any of '
            f'{len(frames)} images; are both of the same drive, and the clocks the same?'
        )
    return replace(source, frames=frames, notes=(*source.notes, *notes))


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
    content = read_number_lines(file)
    if content.numbers.shape != (count, 1):
        found = len(content.lines)
        raise SourceError(f'{file}: expected {count} lines with a time each, found {found}')
    back = np.flatnonzero(np.diff(content.numbers[:, 0]) <= 0.0)
    if len(back):
        row = int(back[0]) + 1
        raise content.error(
            row, f'expected a later time than in the row before, found {content.words[row][0]}'
        )
    return stamps_of_seconds(content)


def _pose_of_kitti(row: NDArray[np.float64]) -> Pose:
    """The body's pose in a world that starts as the body does: x forward, y left, z up."""
    world_T_camera = row.reshape(3, 4)
    turn = BODY_R_OPTICAL @ world_T_camera[:, :3] @ BODY_R_OPTICAL.T
    return Pose(BODY_R_OPTICAL @ world_T_camera[:, 3], rotation_to_quaternion(turn))


def _content(path: Path) -> NumberLines:
    content = read_number_lines(path)
    count = content.numbers.shape[1] if content.lines else 0
    if count not in (_KITTI_NUMBERS, TUM_NUMBERS):
        raise SourceError(
            f'{path}: expected poses, {_KITTI_NUMBERS} numbers a line (KITTI) or {TUM_NUMBERS} '
            f'(TUM: {TUM_LINE}), found {count or "none"}'
        )
    if count == _KITTI_NUMBERS:
        turns = content.numbers.reshape(-1, 3, 4)[:, :, :3]
        from_turn = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
        bad = np.flatnonzero((from_turn > _NOT_A_TURN) | (np.linalg.det(turns) < 0.0))
        if len(bad):
            raise content.error(
                int(bad[0]),
                'expected a rotation matrix in columns 1-3, 5-7 and 9-11 as KITTI has it, found '
                'another one or a mirror image',
            )
    return content
