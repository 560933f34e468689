"""The common form of all data sets: images with metric positions and roles."""

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
"""Panorama or visit number of an image if unknown; such images share it with no other image."""


@dataclass(frozen=True)
class PlaceSet:
    """N images of one split; images are identified by their row in these arrays.

    Attributes:
        name: for reports.
        frames: N images, read on demand.
        positions_m: (N, 2) float64 easting and northing (or x, y) in one metric frame, metres.
        queries: (Q,) int64 rows of the queries.
        database: (M,) int64 rows of the database; may overlap with `queries`.
        panorama: (N,) int64; images with equal numbers are views of one panorama (or versions of
            one photo) and neither positives nor negatives of each other; `NO_PLACE`: none.
        heading_deg: (N,) float64 clockwise from north, NaN if unknown.
        stamp_ns: (N,) int64, `UNKNOWN_STAMP_NS` if unknown.
        facts: metadata of the source (format, thresholds, UTM zone), for the doctor.
        files: (N,) paths of the image files, which need not exist; empty for bags.
        visit: (N,) int64 visit of the place: number of the drive, or days, or seconds;
            `NO_PLACE` if unknown. Images of one visit are neither positives nor negatives of each
            other, and are excluded from each other's rankings (see `relations`). None: no visits.
        visit_gap: images whose visit numbers differ by less than this are of one visit.
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
        """Refuse inconsistent arrays.

        Raises:
            SourceError: a length differs from N, or a row number is out of range.
        """
        size = len(self.frames)
        for what in ('positions_m', 'panorama', 'heading_deg', 'stamp_ns', 'files', 'visit'):
            values = getattr(self, what)
            found = size if values is None else len(values)
            is_left_out = what == 'files' and not found
            if found != size and not is_left_out:
                raise SourceError(
                    f'{self.name}: expected {size} values of {what}, one for each image, found '
                    f'{found}; the lists of this data set do not match'
                )
        for what in ('queries', 'database'):
            rows = getattr(self, what)
            if len(rows) and not (rows.min() >= 0 and rows.max() < size):
                raise SourceError(f'{self.name}: {what}: rows outside the {size} images')

    def __len__(self) -> int:
        return len(self.frames)
