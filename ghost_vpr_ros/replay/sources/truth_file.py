"""Ground truth from a file: a TUM trajectory or a CSV table, carried to the stamps of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.bags.pose_messages import geo_of_degrees
from ghost_vpr_ros.replay.bags.position_track import PositionTrack, make_track
from ghost_vpr_ros.replay.sources.manifest_columns import geo_of, pose_of, stamp_of
from ghost_vpr_ros.replay.sources.number_lines import read_number_lines, tum_poses
from ghost_vpr_ros.replay.sources.table import TableRow, read_table


@dataclass(frozen=True)
class Trajectory:
    """Positions over time; for WGS84 the track holds degrees, as that of a bag's fixes does."""

    track: PositionTrack
    is_geo: bool


def read_trajectory(path: str | Path, max_gap_s: float) -> Trajectory:
    """The trajectory of a `.csv` table, or of a TUM file under any other name.

    A table has a stamp and a position in the columns of a manifest. A TUM file has lines
    `seconds x y z qx qy qz qw`; `#` starts a remark.

    Args:
        path: the file.
        max_gap_s: longest time between two positions across which is interpolated.

    Raises:
        SourceError: missing, empty, or a row without a stamp or a position.
    """
    path = Path(path)
    if path.suffix.lower() != '.csv':
        content = read_number_lines(path)
        stamped, is_geo = tum_poses(content) if content.lines else [], False
    else:
        stamped, is_geo = _stamped_rows(read_table(path).rows)
    if not stamped:
        raise SourceError(f'{path}: expected positions with stamps, found none')
    track = make_track(stamped, max_gap_s, max_hold_s=0.0, is_geo=is_geo)
    return Trajectory(track, is_geo)


def with_truth(frames: Sequence[Frame], truth: Trajectory) -> list[Frame]:
    """The frames with the position of the trajectory at their stamp, and no other position."""
    return [_at(frame, truth.track.at(frame.stamp_ns), truth.is_geo) for frame in frames]


def _at(frame: Frame, pose: Pose | None, is_geo: bool) -> Frame:
    if pose is None or not is_geo:
        return replace(frame, geo=None, pose=pose)
    return replace(frame, geo=geo_of_degrees(pose), pose=None)


def _stamp(row: TableRow) -> int:
    stamp_ns = stamp_of(row)
    if stamp_ns == UNKNOWN_STAMP_NS:
        raise row.error('expected a stamp (column stamp_s or stamp_ns), found none')
    return stamp_ns


def _stamped_rows(rows: Sequence[TableRow]) -> tuple[list[tuple[int, Pose]], bool]:
    """Stamps and poses of the rows that have a position, and whether these are degrees."""
    known = [row for row in rows if not _is_unknown(row)]
    is_geo = bool(known) and geo_of(known[0]) is not None
    return [(_stamp(row), _pose(row, is_geo)) for row in known], is_geo


def _is_unknown(row: TableRow) -> bool:
    """Whether the row holds 0, 0 in place of degrees, or nothing: no position at that moment."""
    if row.pair('latitude', 'longitude') is not None:
        return geo_of(row) is None
    pairs = (('latitude', 'longitude'), ('easting', 'northing'), ('x', 'y'))
    named = [pair for pair in pairs if set(pair) <= set(row.columns)]
    return bool(named) and all(row.pair(*pair) is None for pair in named)


def _pose(row: TableRow, is_geo: bool) -> Pose:
    geo, pose = geo_of(row), pose_of(row)
    if is_geo and geo is not None:
        altitude_m = math.nan if geo.altitude_m is None else geo.altitude_m
        return Pose(np.array([geo.latitude_deg, geo.longitude_deg, altitude_m]))
    if not is_geo and pose is not None:
        return pose
    raise row.error('expected a position (latitude,longitude or x,y), the same kind in every row')
