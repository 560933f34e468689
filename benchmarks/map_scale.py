"""Measure a whole map of a given size: first and later openings, searches, extension."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.index_kinds import JudgedQueries, recalls, resident_bytes, timed
from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.map.checksums import seal_tables
from ghost_vpr_ros.core.map.place_map import NewKeyframe, PlaceMap
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.probability.likelihood import Likelihood
from ghost_vpr_ros.core.recognition.candidates import make_candidates
from ghost_vpr_ros.core.recognition.known_places import KnownPlaces
from ghost_vpr_ros.core.recognition.map_likelihood import MapTeacher
from ghost_vpr_ros.core.recognition.odometry import Motion, PositionPrior
from ghost_vpr_ros.core.recognition.temporal_filter import TemporalFilter
from ghost_vpr_ros.core.search.cache import cache_path, columns_path

Floats = NDArray[np.float32]

_DRIVE, _STEP_M, _BETWEEN_DRIVES_M = 500, 2.0, 30.0
_PRIOR_M = 50.0
_TIMED, _ADDED = 300, 100
_HASH = '00' * 32
_WRITTEN_AT_ONCE = 20_000


def position_of(row: int) -> NDArray[np.float64]:
    """(3,) position of a keyframe in parallel streets, 500 keyframes each."""
    return np.array([row % _DRIVE * _STEP_M, row // _DRIVE * _BETWEEN_DRIVES_M, 0.0])


@dataclass(frozen=True)
class Prepared:
    """A map file that was opened once, with its queries.

    Attributes:
        path: the map.
        judged: the queries.
        facts: measurements of its creation, as JSON values.
    """

    path: Path
    judged: JudgedQueries
    facts: dict[str, Any]

    @classmethod
    def of(
        cls, path: Path, rows: Floats, judged: JudgedQueries, facts: dict[str, Any]
    ) -> Prepared:
        """Write a map of these descriptors (N, D), and the file for `read`."""
        started = time.perf_counter()
        _write(path, rows)
        written_s = time.perf_counter() - started
        facts = {**facts, 'rows': len(rows), 'write_s': written_s}
        facts['first_open_s'] = _opened(path)['open_s']
        with contextlib.closing(sqlite3.connect(path)) as connection:
            state = connection.execute('SELECT revision, revision_token FROM map').fetchone()
        facts['revision'], facts['revision_token'] = state
        arrays = {**asdict(judged), 'facts': np.array(json.dumps(facts))}
        np.savez(cls._beside(path), **arrays)
        return cls(path, judged, facts)

    @classmethod
    def read(cls, path: Path) -> Prepared | None:
        """The map of an earlier run; None if there is none."""
        if not cls._beside(path).exists():
            return None
        with np.load(cls._beside(path)) as found:
            arrays = dict(found)
        return cls(
            path, facts=json.loads(str(arrays.pop('facts'))), judged=JudgedQueries(**arrays)
        )

    @staticmethod
    def _beside(path: Path) -> Path:
        return path.with_name(path.name + '.queries.npz')


def measured(prepared: Prepared) -> dict[str, Any]:
    """The figures of a map."""
    path, rows = prepared.path, prepared.facts['rows']
    figures = {name: prepared.facts[name] for name in ('rows', 'write_s', 'first_open_s')}
    beside = [cache_path, columns_path]
    before = resident_bytes()
    with PlaceMap.open(path, writable=True) as place_map:
        started = time.perf_counter()
        places = KnownPlaces(place_map)
        figures['open_s'] = time.perf_counter() - started
        figures['check_s'] = _opened(path, only_check=True)['open_s']
        figures['bytes_resident'] = (resident_bytes() - before) / rows
        figures['bytes_beside'] = (
            sum(f(place_map).stat().st_size for f in beside if f(place_map).exists()) / rows
        )
        figures |= _costs(place_map, places, prepared.judged)
    _take_back(prepared)
    return figures


def _take_back(prepared: Prepared) -> None:
    """Remove the added keyframes, so that the map's cache files are valid again."""
    with contextlib.closing(sqlite3.connect(prepared.path)) as connection, connection:
        for table in ('row_checksums', 'descriptors', 'keyframes'):
            last = prepared.facts['rows']
            connection.execute(f'DELETE FROM {table} WHERE keyframe_id > ?', (last,))
        state = prepared.facts['revision'], prepared.facts['revision_token']
        connection.execute('UPDATE map SET revision = ?, revision_token = ?', state)
        seal_tables(connection, 'map')


def _write(path: Path, rows: Floats) -> None:
    content = (_HASH, rows.shape[1], PreprocessingConfig(), b'none', MapConfig())
    east = yaw_to_quaternion(0.0)
    with PlaceMap.create(path, *content) as place_map:
        session = place_map.add_session('drive')
        for start in range(0, len(rows), _WRITTEN_AT_ONCE):
            block = enumerate(rows[start : start + _WRITTEN_AT_ONCE], start)
            place_map.add_all(
                session,
                [NewKeyframe(row, each, pose=Pose(position_of(row), east)) for row, each in block],
            )


def _opened(path: Path, *, only_check: bool = False) -> dict[str, float]:
    started = time.perf_counter()
    with PlaceMap.open(path) as place_map:
        if not only_check:
            KnownPlaces(place_map)
    return {'open_s': time.perf_counter() - started}


def _costs(place_map: PlaceMap, places: KnownPlaces, judged: JudgedQueries) -> dict[str, Any]:
    """The cost per frame, and per added keyframe."""
    queries, settings = judged.queries, RecognizerConfig()
    teacher = MapTeacher(place_map, places)
    started = time.perf_counter()
    teacher.learn(settings.group_radius_m)
    learned = time.perf_counter() - started

    def query(number: int) -> Floats:
        return queries[number % len(queries)][np.newaxis]

    def search(number: int) -> None:
        places._index.search(query(number), settings.top_k)

    def retrieve(number: int, prior: PositionPrior | None = None) -> None:
        places.search(query(number), settings.top_k, settings.group_radius_m, prior=prior)

    def near(number: int) -> None:
        retrieve(number, PositionPrior(position_of(number * len(places) // _TIMED), _PRIOR_M))

    def add(number: int) -> None:
        keyframe_id = place_map.add(
            place_map.session_names[0], 0, query(number)[0], pose=Pose(position_of(len(places)))
        )
        places.add(place_map.keyframe(keyframe_id), query(number)[0])
        teacher.follow(settings.group_radius_m)

    found = np.concatenate([places._index.search(q[np.newaxis], 1)[0] for q in queries])
    return {
        'learn_s': learned,
        'is_exact': places._index.is_exact,
        'search': timed(search, _TIMED) | recalls(found[:, 0] == judged.best, judged),
        'retrieve': timed(retrieve, _TIMED),
        'prior': timed(near, _TIMED),
        'filter': timed(_filtered(places, teacher.likelihood, queries), _TIMED),
        'add': timed(add, _ADDED),
    }


def _filtered(places: KnownPlaces, likelihood: Likelihood | None, queries: Floats) -> Any:
    """A function that runs the Bayes filter on one frame, with the candidates of a search."""
    config = RecognizerConfig()
    belief = TemporalFilter(places.located)
    candidates = []
    for query in queries[:_TIMED]:
        found = places.search(query[np.newaxis], config.top_k, config.group_radius_m)
        candidates.append(
            make_candidates(
                places.rows.keyframes(found.rows[: config.top_k]),
                places.rows.positions[found.rows],
                found.similarities,
                likelihood,
                config.group_radius_m,
            )
        )
    motion = Motion(0.5, np.array([3.0, 0.0]))
    return lambda number: belief.update(candidates[number % len(candidates)], motion, config)
