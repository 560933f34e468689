"""Small maps for the tests of the map."""

import contextlib
import sqlite3
from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import GeoPoint
from ghost_vpr_ros.core.map.place_map import PlaceMap

DIM = 8
HASH = 'ab' * 32
WEIGHTS = bytes(range(256)) * 300
PREPROCESSING = PreprocessingConfig(width_px=160, height_px=120)
TOWN = GeoPoint(52.2053, 0.1218, 10.0)


def new_map(path: Path, *, dim: int = DIM, commit_interval_s: float = 1.0) -> PlaceMap:
    config = MapConfig(commit_interval_s=commit_interval_s)
    return PlaceMap.create(path, HASH, dim, PREPROCESSING, WEIGHTS, config, 'tiny model')


def unit_rows(count: int, dim: int = DIM, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled_map(path: Path, count: int = 20, dim: int = DIM) -> np.ndarray:
    """Write and close a map of `count` geotagged keyframes with views; returns descriptors."""
    descriptors = unit_rows(count, dim)
    with new_map(path, dim=dim) as place_map:
        session = place_map.add_session('walk')
        for row, descriptor in enumerate(descriptors):
            place_map.add(
                session,
                row * 100,
                descriptor,
                name=f'{row}.jpg',
                geo=GeoPoint(TOWN.latitude_deg + row * 1e-5, TOWN.longitude_deg, 10.0),
                view_jpeg=b'\xff\xd8' + bytes([row]) * 3000,
            )
    return descriptors


def made_old(path: Path) -> None:
    """Make a closed map one of schema 1, which had no checksums."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            'DROP TABLE row_checksums; DROP TABLE table_checksums; PRAGMA user_version = 1'
        )
