"""Sets of places without images, for the tests of positives and mining."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet


def no_image() -> NDArray[np.uint8]:
    raise AssertionError('these tests read no image')


def places_at(
    points_m: Sequence[tuple[float, float]],
    queries: Sequence[int],
    database: Sequence[int],
    *,
    panorama: Sequence[int] | None = None,
    heading_deg: Sequence[float] | None = None,
    stamp_ns: Sequence[int] | None = None,
) -> PlaceSet:
    size = len(points_m)
    return PlaceSet(
        'town',
        [Frame(str(row), no_image) for row in range(size)],
        np.array(points_m, np.float64).reshape(-1, 2),
        np.array(queries, np.int64),
        np.array(database, np.int64),
        np.array([NO_PLACE] * size if panorama is None else panorama, np.int64),
        np.array([np.nan] * size if heading_deg is None else heading_deg, np.float64),
        np.array([UNKNOWN_STAMP_NS] * size if stamp_ns is None else stamp_ns, np.int64),
    )
