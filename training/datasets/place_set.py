"""What every data set becomes: images with metric positions, and who may be query or database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError

NO_PLACE = -1
"""Number of an image whose panorama or place is not known; it shares it with no other."""


@dataclass(frozen=True)
class PlaceSet:
    """N images of one split; the row in these arrays is an image's number everywhere.

    Attributes:
        name: what reports call it.
        frames: N images, read on demand.
        positions_m: (N, 2) float64 easting and northing (or x, y) in one metric frame, metres.
        queries: (Q,) int64 rows that may be queries.
        database: (M,) int64 rows that may be retrieved; may overlap with `queries`.
        panorama: (N,) int64 equal numbers show the same panorama (or are the same photo seen
            otherwise) and are neither positives nor negatives of each other; `NO_PLACE`: own.
        heading_deg: (N,) float64 clockwise from north, NaN where unknown.
        stamp_ns: (N,) int64, `UNKNOWN_STAMP_NS` where unknown.
        facts: what the source says of itself (format, thresholds, UTM zone), for the doctor.
    """

    name: str
    frames: Sequence[Frame]
    positions_m: NDArray[np.float64]
    queries: NDArray[np.int64]
    database: NDArray[np.int64]
    panorama: NDArray[np.int64]
    heading_deg: NDArray[np.float64]
    stamp_ns: NDArray[np.int64]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that contradict each other.

        Raises:
            SourceError: a length differs from N, or a row number lies outside.
        """
        size = len(self.frames)
        for what in ('positions_m', 'panorama', 'heading_deg', 'stamp_ns'):
            found = len(getattr(self, what))
            if found != size:
                raise SourceError(
                    f'{self.name}: expected {size} values of {what}, one for each image, found '
                    f'{found}; the lists of this data set do not belong together'
                )
        for what in ('queries', 'database'):
            rows = getattr(self, what)
            if len(rows) and not (rows.min() >= 0 and rows.max() < size):
                raise SourceError(f'{self.name}: {what}: rows outside the {size} images')

    def __len__(self) -> int:
        return len(self.frames)
