"""The kinds of files that this project reads: how to make and to read one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.engine.graph_cache import graph_path
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.weights import load_network, model_to_bytes
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.core.search.cache import cache_path, columns_path, read_columns, write_columns
from ghost_vpr_ros.core.search.index import SearchIndex
from ghost_vpr_ros.replay.config import DescribeConfig
from ghost_vpr_ros.replay.descriptors.plan import make_plan
from ghost_vpr_ros.replay.descriptors.shard_work import describe_shards
from ghost_vpr_ros.replay.descriptors.stored import StoredDescriptors
from test.core.calibrations import calibration
from test.core.map_making import HASH, filled_map
from test.core.model.tiny_model import tiny_model
from training.loop.checkpoint import load_checkpoint, save_checkpoint

KEYFRAMES = 30


@dataclass(frozen=True)
class Answers:
    """The content of a file.

    Attributes:
        items: by name; damage may remove items but must not change any.
        num_damaged: number of items that the reader reports as left out.
    """

    items: dict[str, bytes]
    num_damaged: int = 0


@dataclass(frozen=True)
class FileKind:
    """One kind of file.

    Attributes:
        make: writes a file into an empty folder and returns its path.
        read: reads a file.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], Answers]


def _make_map(folder: Path) -> Path:
    filled_map(folder / 'town.map', KEYFRAMES)
    with PlaceMap.open(folder / 'town.map', writable=True) as place_map:
        place_map.set_calibration(calibration(model_hash=HASH))
    return folder / 'town.map'


def _read_map(path: Path) -> Answers:
    with PlaceMap.open(path) as place_map:
        items = {
            'whole': repr(
                (
                    place_map.origin,
                    place_map.map_frame,
                    place_map.calibration,
                    place_map.model_hash,
                )
            ).encode()
        }
        rows = place_map.descriptors()
        for row, keyframe in enumerate(place_map.keyframes()):
            number = keyframe.keyframe_id
            items[f'keyframe {number}'] = ascii(keyframe).encode()
            items[f'descriptor {number}'] = rows[row].tobytes()
            view = place_map.view(number)
            if view is not None:
                items[f'view {number}'] = view
        return Answers(items, place_map.damaged_keyframes + place_map.damaged_views)


def _make_index(folder: Path) -> Path:
    with PlaceMap.open(_make_map(folder)) as place_map:
        SearchIndex.from_map(place_map, cache=True)
        return cache_path(place_map)


def _read_index(path: Path) -> Answers:
    with PlaceMap.open(path.with_name('town.map')) as place_map:
        index = SearchIndex.from_map(place_map, cache=True)
        rows, similarities = index.search(place_map.descriptors(), 5)
    return Answers({'found': rows.tobytes() + similarities.tobytes()})


def _make_columns(folder: Path) -> Path:
    with PlaceMap.open(_make_map(folder)) as place_map:
        write_columns(place_map, place_map.columns())
        return columns_path(place_map)


def _read_columns(path: Path) -> Answers:
    with PlaceMap.open(path.with_name('town.map')) as place_map:
        columns = read_columns(place_map) or place_map.columns()
    return Answers({'columns': b''.join(each.tobytes() for each in columns)})


@cache
def small_model() -> StoredModel:
    """A tiny network with random weights, always the same."""
    torch.manual_seed(0)
    return StoredModel.from_bytes(model_to_bytes(tiny_model(descriptor_dim=6)), 'tiny')


def _pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)


def _make_weights(folder: Path) -> Path:
    (folder / 'tiny.safetensors').write_bytes(small_model().data)
    return folder / 'tiny.safetensors'


def _read_weights(path: Path) -> Answers:
    model = StoredModel.from_file(path)
    load_network(model)
    return Answers({'model': f'{model.model_hash} {model.preprocessing}'.encode()})


def _make_graph(folder: Path) -> Path:
    os.environ['GHOST_VPR_CACHE'] = str(folder)
    create_engine(small_model(), EngineConfig(engine='openvino')).close()
    path = graph_path(small_model().model_hash)
    assert path is not None
    return path


def _read_graph(path: Path) -> Answers:
    os.environ['GHOST_VPR_CACHE'] = str(path.parent)
    engine = create_engine(small_model(), EngineConfig(engine='openvino', inference_threads=1))
    found = engine.describe(_pixels())
    engine.close()
    return Answers({'descriptor': np.round(found, 5).tobytes()})


def _make_compiled(folder: Path) -> Path:
    graph = _make_graph(folder)
    _read_graph(graph)
    return next(graph.parent.rglob('*.blob'))


def _read_compiled(path: Path) -> Answers:
    return _read_graph(next(path.parents[2].glob('*.onnx')))


def _make_calibration(folder: Path) -> Path:
    (folder / 'calibration.json').write_text(calibration().to_json())
    return folder / 'calibration.json'


def _read_calibration(path: Path) -> Answers:
    # In a map this text has a checksum; as a file it may be edited.
    found = Calibration.from_json(path.read_bytes().decode('utf-8', 'replace'))
    values = [value for value in vars(found).values() if isinstance(value, float)]
    assert np.isfinite(values).all()
    return Answers({})


def _frames() -> list[Frame]:
    return [
        Frame(f'{n}.jpg', partial(np.full, (48, 64, 3), 20 * n, np.uint8), stamp_ns=n)
        for n in range(4)
    ]


def _make_shard(folder: Path) -> Path:
    (folder / 'shards').mkdir()
    model = tiny_model(descriptor_dim=6)
    plan = make_plan(folder, 'walk', _frames(), model, b'weights', DescribeConfig())
    describe_shards(plan, _frames(), model, create_engine(model, EngineConfig(engine='torch')))
    return plan.path_of(0)


def _make_frames_table(folder: Path) -> Path:
    return _make_shard(folder).parents[1] / 'frames.csv'


def _read_shard(path: Path) -> Answers:
    folder = path.parents[1] if path.suffix == '.npy' else path.parent
    stored = StoredDescriptors(folder)
    return Answers({frame.name: stored.of(frame).tobytes() for frame in _frames()})


def _make_checkpoint(folder: Path) -> Path:
    tensors = {'a': torch.arange(600.0), 'b': torch.ones(3, 4)}
    save_checkpoint(folder / 'checkpoint.safetensors', tensors, {'step': 7})
    return folder / 'checkpoint.safetensors'


def _read_checkpoint(path: Path) -> Answers:
    tensors, state = load_checkpoint(path)
    items: dict[str, Any] = {name: tensors[name].numpy().tobytes() for name in ('a', 'b')}
    return Answers({**items, 'state': json.dumps(state).encode()})


KINDS = {
    'map': FileKind(_make_map, _read_map),
    'search index': FileKind(_make_index, _read_index),
    'columns': FileKind(_make_columns, _read_columns),
    'weights': FileKind(_make_weights, _read_weights),
    'graph': FileKind(_make_graph, _read_graph),
    'compiled network': FileKind(_make_compiled, _read_compiled),
    'calibration': FileKind(_make_calibration, _read_calibration),
    'descriptor shard': FileKind(_make_shard, _read_shard),
    'list of frames': FileKind(_make_frames_table, _read_shard),
    'checkpoint': FileKind(_make_checkpoint, _read_checkpoint),
}
SLOW_KINDS = ('graph', 'compiled network')
"""Kinds that need an engine for each case."""

TEXT_KINDS = ('calibration',)
"""Texts that are not read from a file."""
