"""Everything that this project writes: preparation, one write, and a check of the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from faults.file_kinds import small_model
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.weights import write_weights
from ghost_vpr_ros.core.search.cache import write_columns
from ghost_vpr_ros.core.search.index import SearchIndex
from ghost_vpr_ros.replay.bags.reader import bag_frames
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.bags.writer import BagConfig, BagFrame, write_bag
from ghost_vpr_ros.replay.config import DescribeConfig
from ghost_vpr_ros.replay.descriptors.plan import make_plan
from ghost_vpr_ros.replay.descriptors.shard_work import describe_shards
from ghost_vpr_ros.replay.descriptors.stored import StoredDescriptors
from ghost_vpr_ros.replay.output_files import make_output_folder, write_csv, write_json
from test.core.map_making import filled_map, new_map, unit_rows
from test.core.model.tiny_model import tiny_model
from training.loop.checkpoint import load_checkpoint, save_checkpoint
from training.loop.run_folder import RunFolder
from training.places.descriptor_cache import DescriptorCache

BEFORE, ADDED = 6, 4
"""Keyframes of a map before, and how many are added."""


@dataclass(frozen=True)
class Writer:
    """One kind of output.

    Attributes:
        prepare: creates the initial content.
        write: changes it once.
        check: 'unharmed' if the content is that before or after the write, otherwise the problem.
    """

    prepare: Callable[[Path], None]
    write: Callable[[Path], None]
    check: Callable[[Path], str]


def _nothing(folder: Path) -> None:
    del folder


def _prepare_map(folder: Path) -> None:
    filled_map(folder / 'town.map', BEFORE)


def _add_keyframes(folder: Path) -> None:
    with PlaceMap.open(folder / 'town.map', writable=True) as place_map:
        for row in unit_rows(ADDED, seed=3):
            place_map.add('walk', 7, row, view_jpeg=bytes(9_000))
            place_map.commit()


def _check_map(folder: Path) -> str:
    expected = np.concatenate([unit_rows(BEFORE), unit_rows(ADDED, seed=3)])
    with PlaceMap.open(folder / 'town.map') as place_map:
        rows = place_map.descriptors()
        is_right = len(rows) >= BEFORE and np.array_equal(rows, expected[: len(rows)])
        return 'unharmed' if is_right and not place_map.damaged_keyframes else 'another map'


def _create_map(folder: Path) -> None:
    with new_map(folder / 'new.map') as place_map:
        place_map.add(place_map.add_session('walk'), 1, unit_rows(1)[0])


def _check_new_map(folder: Path) -> str:
    if not (folder / 'new.map').exists():
        return 'unharmed'
    with PlaceMap.open(folder / 'new.map') as place_map:
        return 'unharmed' if len(place_map) <= 1 else 'another map'


def _write_caches(folder: Path) -> None:
    with PlaceMap.open(folder / 'town.map') as place_map:
        SearchIndex.from_map(place_map, cache=True)
        write_columns(place_map, place_map.columns())


def _check_caches(folder: Path) -> str:
    with PlaceMap.open(folder / 'town.map') as place_map:
        rows = SearchIndex.from_map(place_map, cache=True).search(unit_rows(BEFORE), 1)[0]
    return 'unharmed' if rows[:, 0].tolist() == list(range(BEFORE)) else 'another index'


def _frames() -> list[Frame]:
    return [
        Frame(f'{n}.png', partial(np.full, (48, 64, 3), 30 * n, np.uint8), stamp_ns=n)
        for n in range(4)
    ]


def _write_bag(folder: Path, storage: str) -> None:
    frames = [BagFrame(frame.stamp_ns, frame.load) for frame in _frames()]
    write_bag(folder / 'drive', frames, BagConfig(storage=storage))


def _check_bag(folder: Path) -> str:
    if not (folder / 'drive').exists():
        return 'unharmed'
    shapes = [frame.load().shape for frame in bag_frames(folder / 'drive', BagTopics())]
    return 'unharmed' if shapes == [(48, 64, 3)] * 4 else 'another bag'


def _describe(folder: Path) -> None:
    model = tiny_model(descriptor_dim=6)
    described = make_output_folder(folder / 'described')
    make_output_folder(described / 'shards')
    plan = make_plan(
        described, 'walk', _frames(), model, b'weights', DescribeConfig(shard_frames=2)
    )
    engine = create_engine(model, EngineConfig(engine='torch'))
    describe_shards(plan, _frames(), model, engine)


def _check_described(folder: Path) -> str:
    _describe(folder)
    stored = StoredDescriptors(folder / 'described')
    return 'unharmed' if len(stored) == len(_frames()) else 'other descriptors'


def _save_checkpoint(folder: Path, step: int = 2) -> None:
    save_checkpoint(
        folder / 'checkpoint', {'a': torch.full((9_000,), float(step))}, {'step': step}
    )


def _check_checkpoint(folder: Path) -> str:
    tensors, state = load_checkpoint(folder / 'checkpoint')
    is_right = state['step'] in (1, 2) and bool((tensors['a'] == state['step']).all())
    return 'unharmed' if is_right else 'another checkpoint'


def _start_run(folder: Path) -> None:
    run = RunFolder(folder / 'run', {'seed': 1}, resume=True)
    run.log(1, {'loss': 0.5})
    run.close()


def _check_run(folder: Path) -> str:
    RunFolder(folder / 'run', {'seed': 1}, resume=True)
    return 'unharmed'


def _fill_cache(folder: Path) -> None:
    cache = DescriptorCache(folder / 'cache', 40, 8)
    cache.start_refresh('epoch 1')
    rows = np.arange(40)
    cache.fill(rows[:20], unit_rows(20))
    cache.fill(rows[20:], unit_rows(20))


def _check_cache(folder: Path) -> str:
    cache = DescriptorCache(folder / 'cache', 40, 8)
    cache.start_refresh('epoch 1')
    rows = np.arange(40)
    valid = np.setdiff1d(rows, cache.missing(rows))
    expected = np.tile(unit_rows(20), (2, 1))[valid].astype(np.float16)
    is_right = np.array_equal(cache.read(valid).astype(np.float16), expected)
    return 'unharmed' if is_right else 'other rows'


def _write_results(folder: Path, value: int = 2) -> None:
    results = make_output_folder(folder / 'results')
    write_json(results / 'metrics.json', {'recall': [value] * 3_000})
    write_csv(results / 'rows.csv', ['query', 'found'], [(n, value) for n in range(900)])


def _check_results(folder: Path) -> str:
    lengths = [path.read_bytes().count(b'\n') for path in sorted(folder.rglob('*.*'))]
    return 'unharmed' if lengths == [3_004, 901] else f'files of {lengths} lines'


WRITERS = {
    'map': Writer(_prepare_map, _add_keyframes, _check_map),
    'new map': Writer(_nothing, _create_map, _check_new_map),
    'caches of a map': Writer(_prepare_map, _write_caches, _check_caches),
    'bag (MCAP)': Writer(_nothing, lambda folder: _write_bag(folder, 'mcap'), _check_bag),
    'bag (SQLite)': Writer(_nothing, lambda folder: _write_bag(folder, 'sqlite3'), _check_bag),
    'descriptors': Writer(_nothing, _describe, _check_described),
    'weights': Writer(
        lambda folder: write_weights(folder / 'w.safetensors', small_model().data),
        lambda folder: write_weights(folder / 'w.safetensors', small_model().data),
        lambda folder: (
            'unharmed'
            if (folder / 'w.safetensors').read_bytes() == small_model().data
            else 'other weights'
        ),
    ),
    'checkpoint': Writer(
        lambda folder: _save_checkpoint(folder, 1), _save_checkpoint, _check_checkpoint
    ),
    'training run': Writer(_nothing, _start_run, _check_run),
    'training cache': Writer(_nothing, _fill_cache, _check_cache),
    'results': Writer(lambda folder: _write_results(folder, 1), _write_results, _check_results),
}
