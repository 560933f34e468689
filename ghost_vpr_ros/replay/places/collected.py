"""Make a `PlaceSet` of the frames of any source: panorama numbers, headings, positions."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.geodesy import utm_zone
from ghost_vpr_ros.core.poses import quaternion_to_yaw, yaw_to_heading
from ghost_vpr_ros.replay.evaluation.ground_truth import horizontal_positions
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet

PLACE_SPACING_M = 1000.0
"""Distance between the artificial positions of two places, larger than any search radius."""


@dataclass(frozen=True)
class Collected:
    """Images collected while a data set is read.

    Attributes:
        frames: N images.
        files: N paths; empty if the images are not files.
        is_query: N flags.
        is_database: N flags.
        facts: metadata of the source.
    """

    frames: list[Frame] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    is_query: list[bool] = field(default_factory=list)
    is_database: list[bool] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, frame: Frame, file: Path | None, *, query: bool, database: bool) -> None:
        """Append one image."""
        self.frames.append(frame)
        if file is not None:
            self.files.append(file)
        self.is_query.append(query)
        self.is_database.append(database)

    def place_set(
        self,
        name: str,
        positions_m: NDArray[np.float64] | None = None,
        visit: NDArray[np.int64] | None = None,
        visit_gap: int = 1,
    ) -> PlaceSet:
        """The set.

        Args:
            name: for reports.
            positions_m: (N, 2) metres; None: the positions of the frames.
            visit: (N,) see `PlaceSet`.
            visit_gap: see `PlaceSet`.

        Raises:
            SourceError: no query, no database, or positions of different kinds.
        """
        queries, database = np.flatnonzero(self.is_query), np.flatnonzero(self.is_database)
        if not len(queries) or not len(database):
            raise SourceError(
                f'{name}: expected queries and a database, found {len(queries)} queries and '
                f'{len(database)} database images; check its roles and filters'
            )
        if positions_m is None:
            positions_m = horizontal_positions([], self.frames)[1]
        return PlaceSet(
            name,
            self.frames,
            positions_m,
            queries,
            database,
            panorama=panorama_numbers([frame.panorama for frame in self.frames]),
            heading_deg=np.array([_heading_deg(frame) for frame in self.frames], np.float64),
            stamp_ns=np.array([capture_ns(frame) for frame in self.frames], np.int64),
            facts={**_zone_of(self.frames), **self.facts},
            files=self.files,
            visit=visit,
            visit_gap=visit_gap,
        )


def capture_ns(frame: Frame) -> int:
    """Capture time of an image: its stamp, or its columns `date` (20251222) and `time` (094711).

    Columns are read as UTC, because only the time between two images matters.
    """
    if frame.stamp_ns != UNKNOWN_STAMP_NS:
        return frame.stamp_ns
    text = frame.attributes.get('date', '') + frame.attributes.get('time', '')
    try:
        taken = datetime.datetime.strptime(text, '%Y%m%d%H%M%S').replace(
            tzinfo=datetime.timezone.utc
        )
    except ValueError:
        return UNKNOWN_STAMP_NS
    return int(taken.timestamp()) * 10**9


def invented_positions(places: Sequence[int]) -> NDArray[np.float64]:
    """(N, 2) artificial positions in metres, far apart on a line, by the numbers of N places."""
    spots = PLACE_SPACING_M * np.array(places, np.float64)
    return np.stack([spots, np.zeros(len(spots))], axis=1)


def located(frames: Sequence[Frame], name: str, facts: dict[str, Any]) -> list[Frame]:
    """The frames with a position; the number of frames without one is added to `facts`.

    Raises:
        SourceError: no frame has a position.
    """
    kept = [frame for frame in frames if frame.has_position]
    if not kept:
        raise SourceError(
            f'{name}: expected images with positions (GPS tags, @UTM@ names, columns of a '
            f'manifest, a topic of a bag), found none in {len(frames)} images; write them into a '
            'manifest.csv (docs/sources.md)'
        )
    without = len(frames) - len(kept)
    facts['images_without_position'] = facts.get('images_without_position', 0) + without
    return kept


def panorama_numbers(labels: Sequence[str | None]) -> NDArray[np.int64]:
    """(N,) int64: equal labels get equal numbers from 0, None gets `NO_PLACE`."""
    number_of: dict[str, int] = {}
    numbers = [
        NO_PLACE if label is None else number_of.setdefault(label, len(number_of))
        for label in labels
    ]
    return np.array(numbers, np.int64)


def _heading_deg(frame: Frame) -> float:
    if frame.pose is None or frame.pose.quaternion_xyzw is None:
        return float('nan')
    return yaw_to_heading(quaternion_to_yaw(frame.pose.quaternion_xyzw))


def _zone_of(frames: Sequence[Frame]) -> dict[str, Any]:
    """UTM zone of the first geotagged image, as `30N` or `56S` (hemisphere, not band)."""
    geo = next((frame.geo for frame in frames if frame.geo is not None), None)
    if geo is None:
        return {}
    zone, is_north = utm_zone(geo.latitude_deg, geo.longitude_deg)
    return {'utm_zone': f'{zone}{"N" if is_north else "S"}'}
