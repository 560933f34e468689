"""WGS84 to local metres and back, through PROJ.

Local metres are east-north-up (ENU, REP-103) on the plane that touches the ellipsoid at the
origin. That plane is exact everywhere (poles and antimeridian included); only `up` stops meaning
"height above ground" far away: by 8 m at 10 km.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.datatypes import GeoPoint

if TYPE_CHECKING:
    from pyproj import Transformer

_LAST_UTM_ZONE = 60
_STATUS_NO_FIX = -1
_COVARIANCE_UNKNOWN = 0
MOST_ERROR_M = 100.0
"""A position with a larger stated error comes from a radio cell, or is no fix."""

WHY_NO_FIX = (
    'no fix yet, 0, 0, degrees outside -90 .. 90 and -180 .. 180, or a stated error of more than '
    f'{MOST_ERROR_M:.0f} m'
)
"""Why `position_of_fix` finds none."""

_NULL_ISLAND_DEG = 1e-6
_LOWEST_M, _HIGHEST_M = -12_000.0, 100_000.0
"""Of altitudes that a camera can have; others are left-overs of a receiver without a fix."""

_NO_ALTITUDES_M = frozenset({-999.0, -9999.0, 9999.0, 99_999.0})
"""What receivers and elevation models write for "not known"."""

_MOST_CURVATURE_M = 6_400_000.0
"""Radius of the Earth where it is flattest: distances made with it are never too short."""

_CELL_DEG = 0.25
_NEIGHBOURHOOD_M = 150_000.0
"""Cells of some 28 km that are nearer than this share one plane, which is true to 1 in 10,000."""


class LocalFrame:
    """East-north-up frame about a WGS84 origin.

    Args:
        origin: the point that becomes (0, 0, 0).

    Raises:
        ValueError: the origin is not a position on Earth.
    """

    def __init__(self, origin: GeoPoint) -> None:
        check_geo(origin.latitude_deg, origin.longitude_deg, origin.altitude_m)
        # As Python numbers: the text of a numpy number is none that PROJ can read.
        latitude_deg, longitude_deg = float(origin.latitude_deg), float(origin.longitude_deg)
        height_m = float(origin.altitude_m or 0.0)
        self.origin = origin
        self._geo_to_enu = _pipeline(
            '+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad'
            ' +step +proj=cart +ellps=WGS84'
            f' +step +proj=topocentric +ellps=WGS84 +lat_0={latitude_deg!r}'
            f' +lon_0={longitude_deg!r} +h_0={height_m!r}'
        )

    def to_enu(self, geo: ArrayLike) -> NDArray[np.float64]:
        """Metres east, north and up of the origin.

        Args:
            geo: (N, 3) latitude (degrees), longitude (degrees), altitude (metres).

        Returns:
            (N, 3) float64, metres; NaN rows stay NaN.
        """
        latitude, longitude, altitude = _columns(geo)
        east, north, up = self._geo_to_enu.transform(longitude, latitude, altitude)
        return np.stack([east, north, up], axis=1)

    def to_geo(self, enu: ArrayLike) -> NDArray[np.float64]:
        """Latitude (degrees), longitude (degrees) and altitude (metres) of points in this frame.

        Args:
            enu: (N, 3) metres east, north and up of the origin.

        Returns:
            (N, 3) float64, longitude in -180 .. 180; NaN rows stay NaN.
        """
        east, north, up = _columns(enu)
        longitude, latitude, altitude = self._geo_to_enu.transform(
            east, north, up, direction='INVERSE'
        )
        return np.stack([latitude, longitude, altitude], axis=1)

    def point_to_enu(self, point: GeoPoint) -> NDArray[np.float64]:
        """(3,) float64: metres east, north and up of the origin.

        An unknown altitude is taken to be the origin's, an unknown origin's to be the ellipsoid.
        """
        known = (point.altitude_m, self.origin.altitude_m, 0.0)
        height_m = next(altitude for altitude in known if altitude is not None)
        return self.to_enu([[point.latitude_deg, point.longitude_deg, height_m]])[0]

    def point_to_geo(self, position_m: ArrayLike) -> GeoPoint:
        """WGS84 position of one (3,) point in this frame."""
        row = self.to_geo(np.asarray(position_m, dtype=np.float64)[None])[0]
        return GeoPoint(*(float(value) for value in row))


def east_north(degrees: ArrayLike) -> NDArray[np.float64]:
    """Metres east and north, true for positions near each other wherever on Earth they lie.

    One plane cannot serve two continents: seen from the first, distances on the other one shrink,
    to nothing a quarter of the Earth away. So positions that lie far from all others are laid on
    a plane of their own; the planes are placed at least as far apart as they are on Earth.

    Args:
        degrees: (N, 2) latitude and longitude.

    Returns:
        (N, 2) float64; the first position is 0, 0 and stands in the middle of its plane.
    """
    rows = np.asarray(degrees, np.float64).reshape(-1, 2)
    points = np.zeros((len(rows), 2))
    labels = _neighbourhoods(rows)
    for label in np.unique(labels):
        members = labels == label
        origin = rows[members][0]
        away = np.radians(origin - rows[0])
        offset_m = _MOST_CURVATURE_M * np.array([math.remainder(away[1], math.tau), away[0]])
        geo = np.column_stack([rows[members], np.zeros(members.sum())])
        plane = LocalFrame(GeoPoint(*origin)).to_enu(geo)[:, :2]
        points[members] = plane + offset_m
    return points


def on_unit_sphere(
    latitude_rad: NDArray[np.float64], longitude_rad: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, 3) points of latitudes (N,) and longitudes (N,) on a sphere of radius 1."""
    level = np.cos(latitude_rad)
    axes = (level * np.cos(longitude_rad), level * np.sin(longitude_rad), np.sin(latitude_rad))
    return np.stack(axes, axis=1)


def _neighbourhoods(degrees: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) a number for each position; those that chains of near positions join have the same."""
    numbers = np.floor(degrees / _CELL_DEG).astype(np.int64)
    keys, cell_of = np.unique(numbers[:, 0] * 10**6 + numbers[:, 1], return_inverse=True)
    if len(keys) < 2:
        return np.zeros(len(degrees), np.int64)
    latitude, longitude = np.zeros(len(keys)), np.zeros(len(keys))
    latitude[cell_of], longitude[cell_of] = np.radians(degrees).T
    sphere_m = _MOST_CURVATURE_M * on_unit_sphere(latitude, longitude)
    # Far apart positions are for evaluation: the node starts faster without SciPy.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    near = cKDTree(sphere_m).query_pairs(_NEIGHBOURHOOD_M, output_type='ndarray')
    links = coo_array((np.ones(len(near)), near.T), shape=(len(keys), len(keys)))
    return np.asarray(connected_components(links, directed=False)[1][cell_of], np.int64)


def _columns(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    # PROJ marks a failed point with infinity and would refuse the others with it; NaN passes.
    return np.ascontiguousarray(np.where(np.isfinite(array), array, np.nan).T)


def check_geo(latitude_deg: float, longitude_deg: float, altitude_m: float | None = None) -> None:
    """Check a WGS84 position.

    Raises:
        ValueError: latitude outside -90 .. 90, longitude outside -180 .. 180, or not finite.
    """
    if not abs(latitude_deg) <= 90.0:
        raise ValueError(f'latitude {latitude_deg:g} is not within -90 .. 90 degrees')
    if not abs(longitude_deg) <= 180.0:
        raise ValueError(f'longitude {longitude_deg:g} is not within -180 .. 180 degrees')
    if altitude_m is not None and not math.isfinite(altitude_m):
        raise ValueError(f'altitude {altitude_m:g} is not a finite number of metres')


def is_null_island(latitude_deg: float, longitude_deg: float) -> bool:
    """Whether a position is 0, 0, which receivers and programs write without a fix.

    The point lies in the sea. Positions within 10 cm of it count as rounded zeros.
    """
    return abs(latitude_deg) < _NULL_ISLAND_DEG and abs(longitude_deg) < _NULL_ISLAND_DEG


def known_altitude_m(altitude_m: float | None) -> float | None:
    """The altitude in metres; None where it is unknown, or none that a camera can have."""
    is_known = altitude_m is not None and _LOWEST_M <= altitude_m <= _HIGHEST_M
    return altitude_m if is_known and altitude_m not in _NO_ALTITUDES_M else None


def known_geo(
    latitude_deg: float, longitude_deg: float, altitude_m: float | None = None
) -> GeoPoint | None:
    """A WGS84 position as a file or a message gives it; None where it is 0, 0: not known.

    Every place where positions come in goes through here: photos, manifests, names, bags, topics.

    Raises:
        ValueError: as `check_geo`.
    """
    check_geo(latitude_deg, longitude_deg, altitude_m)
    if is_null_island(latitude_deg, longitude_deg):
        return None
    return GeoPoint(latitude_deg, longitude_deg, known_altitude_m(altitude_m))


def horizontal_distance_m(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (...) of positions (..., 2 or 3) in the map frame; height, if there, is left out.

    Whether two images show one place is judged by this, in maps and in evaluation alike: the
    altitude of a consumer's GPS is often unknown, and off by tens of metres where it is given.
    """
    return np.asarray(np.linalg.norm(a[..., :2] - b[..., :2], axis=-1))


def utm_zone(latitude_deg: float, longitude_deg: float) -> tuple[int, bool]:
    """UTM zone (1 to 60) of a WGS84 position, and whether it is on the northern hemisphere.

    Follows the grid's exceptions: south-west Norway belongs to zone 32, Svalbard to the odd zones.

    Raises:
        ValueError: no position on Earth.
    """
    check_geo(latitude_deg, longitude_deg)
    zone = min(int((longitude_deg + 180.0) // 6.0) + 1, _LAST_UTM_ZONE)
    if 56.0 <= latitude_deg < 64.0 and 3.0 <= longitude_deg < 12.0:
        zone = 32
    if 72.0 <= latitude_deg <= 84.0 and 0.0 <= longitude_deg < 42.0:
        zone = 31 + 2 * int((longitude_deg + 3.0) // 12.0)
    return zone, latitude_deg >= 0.0


def utm_to_geo(
    easting_m: ArrayLike, northing_m: ArrayLike, zone: int, northern: bool = True
) -> NDArray[np.float64]:
    """Latitude and longitude of UTM coordinates.

    Args:
        easting_m: (N,) or scalar, metres, 500 000 on the zone's central meridian.
        northing_m: (N,) or scalar, metres.
        zone: 1 to 60.
        northern: False where northings count from 10 000 000 at the equator southwards.

    Returns:
        (N, 2) float64 degrees; NaN where the coordinates lie outside the projection.

    Raises:
        ValueError: the zone does not exist.
    """
    easting = np.atleast_1d(np.asarray(easting_m, dtype=np.float64))
    northing = np.atleast_1d(np.asarray(northing_m, dtype=np.float64))
    degrees = _utm(zone, northern).transform(easting, northing, direction='INVERSE')
    latitude_longitude = np.stack([degrees[1], degrees[0]], axis=1)
    return np.where(np.isfinite(latitude_longitude), latitude_longitude, np.nan)


def geo_to_utm(
    latitude_deg: ArrayLike, longitude_deg: ArrayLike, zone: int, northern: bool = True
) -> NDArray[np.float64]:
    """(N, 2) float64 easting and northing in metres, in the given zone.

    Raises:
        ValueError: the zone does not exist.
    """
    latitude = np.atleast_1d(np.asarray(latitude_deg, dtype=np.float64))
    longitude = np.atleast_1d(np.asarray(longitude_deg, dtype=np.float64))
    return np.stack(_utm(zone, northern).transform(longitude, latitude), axis=1)


def _pipeline(text: str) -> Transformer:
    """A transformation of PROJ, which only maps with positions on Earth load."""
    from pyproj import Transformer

    return Transformer.from_pipeline(text)


def _utm(zone: int, northern: bool) -> Transformer:
    if not 1 <= zone <= _LAST_UTM_ZONE:
        raise ValueError(f'UTM zone {zone} is not within 1 .. {_LAST_UTM_ZONE}')
    south = '' if northern else ' +south'
    return _pipeline(
        '+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad'
        f' +step +proj=utm +zone={zone}{south} +ellps=WGS84'
    )


def position_of_fix(
    status: int,
    latitude_deg: float,
    longitude_deg: float,
    altitude_m: float,
    covariance_type: int,
    covariance_m2: ArrayLike,
) -> GeoPoint | None:
    """The position of a NavSatFix; None without a fix, and an unknown altitude where it is NaN.

    Zeros are an unset message, not a place in the Gulf of Guinea. The status
    "unknown" (-2) is the default of drivers that never set it: their positions are taken.
    A position whose covariance is stated is not, where its error is more than `MOST_ERROR_M`.
    """
    variances = np.asarray(covariance_m2, np.float64).reshape(-1)[:5:4]
    is_stated = covariance_type != _COVARIANCE_UNKNOWN and len(variances) == 2
    if status == _STATUS_NO_FIX or (is_stated and variances.max() > MOST_ERROR_M**2):
        return None
    known_m = float(altitude_m) if math.isfinite(altitude_m) else None
    try:
        return known_geo(float(latitude_deg), float(longitude_deg), known_m)
    except ValueError:
        return None
