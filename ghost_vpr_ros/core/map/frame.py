"""The frame of a map's positions, and the position of a new keyframe in it."""

from __future__ import annotations

import numpy as np

from ghost_vpr_ros.core.datatypes import QUATERNION_TOLERANCE, GeoPoint, Pose
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.geodesy import LocalFrame, check_geo

_FARTHEST_M = 1_000_000.0
"""A plane about the origin shows distances there short by a hundredth."""


class MapFrame:
    """The frame of a map's poses.

    Attributes:
        kind: 'none' (no position yet), 'enu' (east-north-up about `origin`), 'local' (that of the
            poses that were given).
        origin: WGS84 position of (0, 0, 0) in an 'enu' map, else None.
        local_frame: WGS84 to the metres of an 'enu' map and back, else None.
    """

    def __init__(self, kind: str = 'none', origin: GeoPoint | None = None) -> None:
        self.kind = kind
        self.origin = origin
        self.local_frame = LocalFrame(origin) if origin is not None else None

    def for_keyframe(self, pose: Pose | None, geo: GeoPoint | None) -> MapFrame:
        """The frame of the map once this keyframe is in it.

        The first keyframe with a position decides: WGS84 alone gives 'enu' with its origin there,
        a pose (with or without WGS84) gives 'local'.

        Raises:
            MapError: the keyframe's position cannot be expressed in this map's frame.
        """
        has_pose = pose is not None and pose.has_position
        if self.kind == 'none':
            return self._first(has_pose, geo)
        if self.kind == 'enu' and geo is None and has_pose:
            raise MapError(
                'a keyframe with a local pose only cannot join a geotagged map (frame enu); give '
                'its latitude and longitude too, or build a separate map'
            )
        if self.kind == 'local' and geo is not None and not has_pose:
            raise MapError(
                'a keyframe with latitude and longitude only cannot join a map in local metres '
                '(frame local); give its pose in that frame too, or build a separate map'
            )
        return self

    def _first(self, has_pose: bool, geo: GeoPoint | None) -> MapFrame:
        if has_pose:
            return MapFrame('local')
        return MapFrame('enu', geo) if geo is not None else self

    def place(self, pose: Pose | None, geo: GeoPoint | None) -> Pose | None:
        """The keyframe's pose in this frame, or None if nothing is known.

        In an 'enu' map the position comes from `geo`. A pose whose position is NaN contributes
        its orientation and covariance (a photo with compass heading); a pose with a position is in
        another frame and is not used.
        """
        if self.local_frame is None or geo is None:
            return pose
        position_m = self.local_frame.point_to_enu(geo)
        away_m = float(np.linalg.norm(position_m))
        if away_m > _FARTHEST_M:
            raise MapError(
                f'the keyframe at {geo.latitude_deg:.4f}, {geo.longitude_deg:.4f} lies '
                f'{away_m / 1000:,.0f} km from the first one of this map, whose frame is flat '
                f'(most {_FARTHEST_M / 1000:,.0f} km); correct its position, or build a map for '
                'each region'
            )
        if pose is None or pose.has_position:
            return Pose(position_m)
        return Pose(position_m, pose.quaternion_xyzw, pose.covariance)


def check_position(pose: Pose | None, geo: GeoPoint | None) -> None:
    """Check the position of a keyframe.

    Raises:
        MapError: wrong shape, not finite, no unit quaternion, or no position on Earth.
    """
    if geo is not None:
        _check_geo(geo)
    if pose is None:
        return
    if pose.position_m.shape != (3,) or np.isinf(pose.position_m).any():
        raise MapError(f'expected a finite position (3,) in metres, found {pose.position_m}')
    if not pose.has_position and geo is None:
        raise MapError(
            'a pose without position (NaN) needs latitude and longitude; leave the pose out '
            'where nothing is known'
        )
    _check_orientation(pose)


def _check_geo(geo: GeoPoint) -> None:
    try:
        check_geo(geo.latitude_deg, geo.longitude_deg, geo.altitude_m)
    except ValueError as error:
        raise MapError(f'keyframe position: {error}') from error


def _check_orientation(pose: Pose) -> None:
    quaternion, covariance = pose.quaternion_xyzw, pose.covariance
    if quaternion is not None:
        unit = quaternion.shape == (4,) and (
            abs(np.linalg.norm(quaternion) - 1.0) <= QUATERNION_TOLERANCE
        )
        if not unit:
            raise MapError(f'expected a unit quaternion x, y, z, w, found {quaternion}')
    if covariance is not None:
        finite = covariance.shape == (6, 6) and np.isfinite(covariance).all()
        if not finite:
            raise MapError(f'expected a finite (6, 6) covariance, found {covariance.shape}')
