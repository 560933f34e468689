"""Descriptors of real street images, with the ground truth of places.

They are computed once with the shipped weights and cached in a file; `index_scale` generates maps
of any size from them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.default_weights import load_default_model
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors

_METRES_PER_DEGREE = 111_320.0
_WALK_STEP_M = 2.0
"""Assumed distance between frames of a walk without positions."""


@dataclass(frozen=True)
class RealImages:
    """n described images.

    Attributes:
        descriptors: (n, D) float32, unit norm.
        groups: (n,) text; images of one group face the same direction, others are not compared.
        positions: (n, 2) float64 metres, in the group's frame.
        roles: (n,) text, 'map' or 'query'.
    """

    descriptors: NDArray[np.float32]
    groups: NDArray[np.str_]
    positions: NDArray[np.float64]
    roles: NDArray[np.str_]


@dataclass(frozen=True)
class _Listed:
    path: Path
    group: str
    x_m: float
    y_m: float
    role: str = 'map'


def real_images(
    file: Path, data: Path, progress: Callable[[int, int], object] | None
) -> RealImages:
    """The images below `data`, described with the shipped weights, or cached by an earlier run.

    Args:
        file: an .npz file; created if missing.
        data: folder of the data sets.
        progress: called with the number of described images, and of all images.
    """
    if not file.exists():
        _describe(file, list(_listed(data)), progress)
    with np.load(file) as kept:
        return RealImages(**kept)


def _describe(
    file: Path, images: list[_Listed], progress: Callable[[int, int], object] | None
) -> None:
    model = load_default_model()
    done = 0

    def count(number: int) -> None:
        nonlocal done
        done += number
        if progress is not None:
            progress(done, len(images))

    frames = [Frame(str(i.path), partial(read_image, i.path)) for i in images]
    engine = create_engine(model)
    descriptors = extract_descriptors(frames, model, engine, progress=count)
    engine.close()
    np.savez(
        file,
        descriptors=descriptors,
        groups=np.array([i.group for i in images]),
        positions=np.array([(i.x_m, i.y_m) for i in images]),
        roles=np.array([i.role for i in images]),
    )


def _listed(data: Path) -> Iterator[_Listed]:
    yield from _walk(data / 'gardens_point' / 'day_left', 'gardens', 'map')
    yield from _walk(data / 'gardens_point' / 'day_right', 'gardens', 'query')
    for part in ('train', 'val', 'test'):
        yield from _walk(data / 'camvid' / part, f'camvid {part}', 'map')
    yield from _street_views(data / 'gsv_cambridge')
    yield from _campus(data / 'bgu_campus')


def _walk(folder: Path, group: str, role: str) -> Iterator[_Listed]:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in ('.jpg', '.jpeg', '.png'))
    for number, path in enumerate(paths):
        yield _Listed(path, group, number * _WALK_STEP_M, 0.0, role)


def _street_views(folder: Path) -> Iterator[_Listed]:
    """Every second panorama is a query, whose neighbours show the same place."""
    for row in _rows(folder):
        x_m, y_m = _metres(row['latitude'], row['longitude'])
        role = 'query' if int(row['panorama']) % 2 else 'map'
        yield _Listed(folder / row['image'], f'gsv {row["heading_deg"]}', x_m, y_m, role)


def _campus(folder: Path) -> Iterator[_Listed]:
    for row in _rows(folder):
        x_m, y_m = _metres(row['latitude'], row['longitude'])
        is_day = 6 <= int(row['time'][:2]) < 18
        yield _Listed(folder / row['image'], 'campus', x_m, y_m, 'map' if is_day else 'query')


def _rows(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / 'manifest.csv').open(newline='') as file:
        yield from csv.DictReader(file)


def _metres(latitude: str, longitude: str) -> tuple[float, float]:
    degrees = float(latitude)
    east_m = float(longitude) * _METRES_PER_DEGREE * math.cos(math.radians(degrees))
    return east_m, degrees * _METRES_PER_DEGREE
