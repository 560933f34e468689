"""Positions over time, interpolated at the stamps of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.geodesy import on_unit_sphere
from ghost_vpr_ros.core.stamps import jumps_before

_EARTH_RADIUS_M = 6_371_000.0
_LEAST_FIXES = 3
_LATENESS, _MOST_USUAL_GAP_S = 1.5, 3.0
_LEAP_M, _MOST_SPEED_M_S = 1000.0, 350.0


@dataclass(frozen=True)
class PositionTrack:
    """Poses in order of their stamps.

    Attributes:
        stamps_ns: (N,) int64, strictly increasing.
        poses: N poses in one frame. For a track of GeoPoints the three numbers are latitude and
            longitude in degrees (longitude unwrapped across the antimeridian) and altitude in m.
        max_gap_ns: longest time between two poses across which is interpolated.
        max_hold_ns: longest time for which the first and the last pose are held.
    """

    stamps_ns: NDArray[np.int64]
    poses: Sequence[Pose]
    max_gap_ns: int
    max_hold_ns: int

    def at(self, stamp_ns: int) -> Pose | None:
        """The pose at a stamp: linear position, slerp; None where it is not known."""
        after = int(np.searchsorted(self.stamps_ns, stamp_ns))
        if after < len(self.poses) and self.stamps_ns[after] == stamp_ns:
            return self.poses[after]
        if after in (0, len(self.poses)):
            return self._held(min(after, len(self.poses) - 1), stamp_ns)
        start_ns, end_ns = (int(s) for s in self.stamps_ns[after - 1 : after + 1])
        if end_ns - start_ns > self.max_gap_ns:
            return None
        share = (stamp_ns - start_ns) / (end_ns - start_ns)
        return interpolate(self.poses[after - 1], self.poses[after], share)

    def _held(self, row: int, stamp_ns: int) -> Pose | None:
        is_near = row >= 0 and abs(int(self.stamps_ns[row]) - stamp_ns) <= self.max_hold_ns
        return self.poses[row] if is_near else None


@dataclass(frozen=True)
class PositionTracks:
    """One track for each time that the clock of a bag was set back, as by a reset simulation.

    Attributes:
        tracks: in order of recording; at least one.
    """

    tracks: Sequence[PositionTrack]

    def at(self, stamp_ns: int, jumps: int) -> Pose | None:
        """The pose at a stamp.

        Args:
            stamp_ns: of an image.
            jumps: how often its clock had been set back before; the last track is used for all
                later ones, as if only the clock of the images was set back.
        """
        return self.tracks[min(jumps, len(self.tracks) - 1)].at(stamp_ns)


def make_tracks(
    stamped: Sequence[tuple[int, Pose]], max_gap_s: float, max_hold_s: float, *, is_geo: bool
) -> PositionTracks:
    """Tracks from stamped poses in order of recording; late ones are sorted in.

    Args:
        stamped: stamps in nanoseconds, and poses.
        max_gap_s: longest time between two poses across which is interpolated.
        max_hold_s: longest time for which the first and the last pose are held.
        is_geo: whether the poses are degrees, whose longitudes are to be unwrapped.
    """
    parts: list[list[tuple[int, Pose]]] = [[]]
    for (stamp_ns, pose), jumps in zip(
        stamped, jumps_before([stamp_ns for stamp_ns, _ in stamped]), strict=True
    ):
        while len(parts) <= jumps:
            parts.append([])
        parts[jumps].append((stamp_ns, pose))
    tracks = [make_track(part, max_gap_s, max_hold_s, is_geo=is_geo) for part in parts]
    return PositionTracks(tracks)


def without_spikes(stamped: Sequence[tuple[int, Pose]], *, is_geo: bool) -> list[tuple[int, Pose]]:
    """Positions without single ones that no vehicle can have reached.

    A receiver that loses its signal may write a fix kilometres away and then continue as before,
    and so may odometry that is computed anew.

    Args:
        stamped: in order of recording; where the clock was set back the place may change, too.
        is_geo: whether the poses are degrees.
    """
    if len(stamped) < _LEAST_FIXES:
        return list(stamped)
    stamps_s = np.array([stamp_ns for stamp_ns, _ in stamped]) / 1e9
    points_m = _points_m(stamped, is_geo=is_geo)
    is_leap = _leaps(points_m[:-1], points_m[1:], np.diff(stamps_s))
    skips = _leaps(points_m[:-2], points_m[2:], stamps_s[2:] - stamps_s[:-2])
    is_spike = np.zeros(len(stamped), bool)
    is_spike[1:-1] = is_leap[:-1] & is_leap[1:] & ~skips
    is_spike[0], is_spike[-1] = is_leap[0] & ~is_leap[1], is_leap[-1] & ~is_leap[-2]
    return [each for each, spike in zip(stamped, is_spike.tolist(), strict=True) if not spike]


def longest_leap(stamped: Sequence[tuple[int, Pose]], *, is_geo: bool) -> tuple[float, float]:
    """Metres and seconds of the longest step that no vehicle can have made; 0, 0 without one.

    Args:
        stamped: in order of recording.
        is_geo: whether the poses are degrees.
    """
    if len(stamped) < 2:
        return 0.0, 0.0
    seconds = np.diff(np.array([stamp_ns for stamp_ns, _ in stamped])) / 1e9
    points_m = _points_m(stamped, is_geo=is_geo)
    # A clock that was set back may have begun anew elsewhere.
    is_leap = _leaps(points_m[:-1], points_m[1:], seconds) & (seconds >= 0.0)
    distances_m = np.where(is_leap, _distances_m(points_m[:-1], points_m[1:]), 0.0)
    longest = int(np.argmax(distances_m))
    return float(distances_m[longest]), float(seconds[longest]) if is_leap.any() else 0.0


def _points_m(stamped: Sequence[tuple[int, Pose]], *, is_geo: bool) -> NDArray[np.float64]:
    """Points (N, 3) whose distances are those of the positions."""
    if not is_geo:
        return np.array([pose.position_m for _, pose in stamped], np.float64)
    degrees = np.radians([pose.position_m[:2] for _, pose in stamped])
    return np.asarray(_EARTH_RADIUS_M * on_unit_sphere(*degrees.T))


def _distances_m(start_m: NDArray[np.float64], end_m: NDArray[np.float64]) -> NDArray[np.float64]:
    # Coordinates that overflow when squared are infinitely far.
    with np.errstate(over='ignore'):
        return np.asarray(np.linalg.norm(end_m - start_m, axis=1))


def _leaps(
    start_m: NDArray[np.float64], end_m: NDArray[np.float64], seconds: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether a step of a kilometre or more is faster than any vehicle with a camera."""
    distances_m = _distances_m(start_m, end_m)
    return (distances_m > _LEAP_M) & (distances_m > _MOST_SPEED_M_S * np.abs(seconds))


def _unwrapped(stamped: list[tuple[int, Pose]]) -> list[tuple[int, Pose]]:
    """Longitudes without the jump at the antimeridian, so that they can be interpolated."""
    degrees = np.array([pose.position_m for _, pose in stamped]).reshape(-1, 3)
    degrees[:, 1] = np.unwrap(degrees[:, 1], period=360.0)
    return [(stamp, Pose(row)) for (stamp, _), row in zip(stamped, degrees, strict=True)]


def make_track(
    stamped: Sequence[tuple[int, Pose]],
    max_gap_s: float,
    max_hold_s: float,
    *,
    is_geo: bool = False,
) -> PositionTrack:
    """A track from stamped poses in any order; of equal stamps the last one counts.

    Across their usual interval and half of it is interpolated, too: receivers that give one fix a
    second are not exactly on time. Longitudes, where poses are degrees, are unwrapped.
    """
    ordered = sorted(dict(stamped).items(), key=lambda each: each[0])
    if is_geo:
        ordered = _unwrapped(ordered)
    stamps = [stamp_ns for stamp_ns, _ in ordered]
    poses = [pose for _, pose in ordered]
    stamps_ns = np.array(stamps, np.int64)
    if len(stamps) > _LEAST_FIXES:
        usual_s = float(np.median(np.diff(stamps_ns))) / 1e9
        max_gap_s = max(max_gap_s, min(_LATENESS * usual_s, _MOST_USUAL_GAP_S))
    limits = (round(max_gap_s * 1e9), round(max_hold_s * 1e9))
    return PositionTrack(stamps_ns, poses, *limits)


def interpolate(start: Pose, end: Pose, share: float) -> Pose:
    """Pose between two poses; `share` 0 is the start, 1 the end; unknown stays unknown."""
    position = (1 - share) * start.position_m + share * end.position_m
    quaternion = covariance = None
    if start.quaternion_xyzw is not None and end.quaternion_xyzw is not None:
        quaternion = slerp(start.quaternion_xyzw, end.quaternion_xyzw, share)
    if start.covariance is not None and end.covariance is not None:
        covariance = (1 - share) * start.covariance + share * end.covariance
    return Pose(position, quaternion, covariance)


def slerp(
    start: NDArray[np.float64], end: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Unit quaternion on the shorter arc between two (Shoemake 1985)."""
    return np.asarray(Slerp([0.0, 1.0], Rotation.from_quat([start, end]))(share).as_quat())
