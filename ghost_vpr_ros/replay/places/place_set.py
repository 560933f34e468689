"""What every data set becomes: images with metric positions, and who may be query or database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError

NO_PLACE = -1
"""Number of an image whose panorama or visit is not known; it shares it with no other."""


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
        facts: metadata of the source (format, thresholds, UTM zone), for the doctor.
        files: (N,) paths of the image files, whether they exist or not; empty for bags.
        visit: (N,) int64 when the place was visited: number of the drive, or days, or seconds;
            `NO_PLACE` where unknown. Images of one visit are neither positives nor negatives of
            each other, and are not retrieved for each other (see `relations`). None: no visits.
        visit_gap: two images are of one visit where their numbers differ by less than this.
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
    files: Sequence[Path] = ()
    visit: NDArray[np.int64] | None = None
    visit_gap: int = 1

    def __post_init__(self) -> None:
        """Refuse arrays that contradict each other.

        Raises:
            SourceError: a length differs from N, or a row number lies outside.
        """
        size = len(self.frames)
        for what in ('positions_m', 'panorama', 'heading_deg', 'stamp_ns', 'files', 'visit'):
            values = getattr(self, what)
            found = size if values is None else len(values)
            is_left_out = what == 'files' and not found
            if found != size and not is_left_out:
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
