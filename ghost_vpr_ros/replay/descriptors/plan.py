"""The content of a folder of descriptors: which frames, of which model, in which shards."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import OutputError, SourceError
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.whole_file import unsealed
from ghost_vpr_ros.replay.config import DescribeConfig
from ghost_vpr_ros.replay.output_files import csv_text, write_file, write_json

PLAN_NAME = 'descriptors.json'
FRAMES_NAME = 'frames.csv'
MODEL_NAME = 'model.safetensors'

_SCHEMA = 2
"""Stored in `descriptors.json`; shards of 1 have no seal."""


@dataclass(frozen=True)
class DescriptorPlan:
    """The content of `descriptors.json`.

    Attributes:
        folder: where the plan lies, with `frames.csv`, the weights and the shards.
        source: of the frames, readable.
        num_frames: N.
        frames_sha256: of `frames.csv`: names and stamps in order.
        model_hash: of the model that describes them.
        model_name: in words.
        descriptor_dim: D.
        dtype: of the stored descriptors, 'float32' or 'float16'.
        shard_frames: how many frames a shard has; the last one may have fewer.
        is_sealed: whether each shard ends with its SHA-256.
    """

    folder: Path
    source: str
    num_frames: int
    frames_sha256: str
    model_hash: str
    model_name: str
    descriptor_dim: int
    dtype: str
    shard_frames: int
    is_sealed: bool = True

    @property
    def num_shards(self) -> int:
        """How many files the descriptors are in."""
        return -(-self.num_frames // self.shard_frames)

    @property
    def files(self) -> tuple[Path, ...]:
        """The plan's own files; a folder without the first has no plan."""
        return tuple(self.folder / name for name in (PLAN_NAME, FRAMES_NAME, MODEL_NAME))

    def shard(self, number: int) -> range:
        """The rows of one shard."""
        start = number * self.shard_frames
        return range(start, min(start + self.shard_frames, self.num_frames))

    def path_of(self, number: int) -> Path:
        """The file of a finished shard: an .npy array (n, D)."""
        return self.folder / 'shards' / f'{number:06d}.npy'

    def unfinished(self) -> Iterator[int]:
        """Shards without a file, from the first on; checked again for each."""
        return (n for n in range(self.num_shards) if not self.path_of(n).exists())

    def count_finished(self) -> int:
        """How many frames lie in finished shards."""
        waiting = sum(len(self.shard(number)) for number in self.unfinished())
        return self.num_frames - waiting

    def check_frames(self, frames: Sequence[Frame]) -> None:
        """Are these the frames that the plan was made for?

        Raises:
            SourceError: names, stamps or their order have changed.
        """
        if _sha256(frames_table(frames)) != self.frames_sha256:
            raise SourceError(
                f'{self.folder}: expected the {self.num_frames} images of {self.source} that it '
                f'was begun with, found {len(frames)} images that differ in name, stamp or order; '
                'describe a changed source into a new folder'
            )

    def ends(self) -> dict[int, NDArray[np.float32]]:
        """The first and the last row that are described, with their descriptors (D,)."""
        finished = [n for n in range(self.num_shards) if self.path_of(n).exists()]
        if not finished:
            return {}
        first, last = self.load_shard(finished[0])[0], self.load_shard(finished[-1])[-1]
        rows = {self.shard(finished[0])[0]: first, self.shard(finished[-1])[-1]: last}
        return {row: np.asarray(values, dtype=np.float32) for row, values in rows.items()}

    def load_shard(self, number: int) -> NDArray[np.float32] | NDArray[np.float16]:
        """(n, D) descriptors of a finished shard.

        Raises:
            SourceError: the file is missing or damaged.
        """
        path = self.path_of(number)
        expected = (len(self.shard(number)), self.descriptor_dim)
        try:
            data: bytes | None = path.read_bytes()
            if self.is_sealed and data is not None:
                data = unsealed(data)
            if data is None:
                raise self._bad_shard(path, 'it is not as it was written')
            array: NDArray[np.float32] = np.load(io.BytesIO(data), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._bad_shard(path, str(error)) from error
        if array.shape != expected or array.dtype != self.dtype:
            raise self._bad_shard(path, f'expected {expected}, found {array.shape}')
        return array

    def _bad_shard(self, path: Path, why: str) -> SourceError:
        return SourceError(
            f'{path}: descriptors are missing or damaged ({why}); remove this file and give '
            'ghost-vpr describe again'
        )


def read_plan(folder: Path) -> DescriptorPlan:
    """The plan of a folder.

    Raises:
        SourceError: there is none, or it is of another version.
    """
    path = folder / PLAN_NAME
    try:
        values = json.loads(path.read_text('utf-8'))
        schema = values.pop('schema')
        if schema in (1, _SCHEMA):
            return DescriptorPlan(folder=folder, **values, is_sealed=schema > 1)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SourceError(
            f'{folder}: expected a folder that ghost-vpr describe has made, found no readable '
            f'{PLAN_NAME}; check the path'
        ) from error
    raise SourceError(f'{path}: expected schema {_SCHEMA}, found {schema}; update ghost_vpr_ros')


def make_plan(
    folder: Path,
    source: str,
    frames: Sequence[Frame],
    model: DescribedModel,
    weights: bytes,
    config: DescribeConfig,
) -> DescriptorPlan:
    """The plan of a folder, written where there is none yet.

    Raises:
        SourceError: the folder was begun with other frames.
        OutputError: it was begun with another model or other settings, or cannot be written.
    """
    if (folder / PLAN_NAME).exists():
        plan = read_plan(folder)
        plan.check_frames(frames)
        _check_settings(plan, model, config)
        return plan
    table = frames_table(frames)
    plan = DescriptorPlan(
        folder=folder,
        source=source,
        num_frames=len(frames),
        frames_sha256=_sha256(table),
        model_hash=model.model_hash,
        model_name=model.name,
        descriptor_dim=model.descriptor_dim,
        dtype=config.dtype,
        shard_frames=config.shard_frames,
    )
    write_file(folder / FRAMES_NAME, table)
    write_file(folder / MODEL_NAME, weights)
    kept_elsewhere = ('folder', 'is_sealed')
    values = {name: value for name, value in asdict(plan).items() if name not in kept_elsewhere}
    # Last: a folder with a plan is complete but for its shards.
    write_json(folder / PLAN_NAME, {'schema': _SCHEMA, **values})
    return plan


def frames_table(frames: Sequence[Frame]) -> str:
    """The content of `frames.csv`: name and stamp of each row."""
    return csv_text(('name', 'stamp_ns'), ((frame.name, frame.stamp_ns) for frame in frames))


def check_table(plan: DescriptorPlan, text: str) -> None:
    """Is this the `frames.csv` that the folder was begun with?

    Raises:
        SourceError: it has changed: the descriptors would go to other frames.
    """
    if _sha256(text) != plan.frames_sha256:
        raise SourceError(
            f'{plan.folder / FRAMES_NAME} is not as it was written; describe the source again '
            'into a new folder'
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()


def _check_settings(plan: DescriptorPlan, model: DescribedModel, config: DescribeConfig) -> None:
    found = {
        'model': (plan.model_hash[:12], model.model_hash[:12]),
        'dtype': (plan.dtype, config.dtype),
        'shard frames': (plan.shard_frames, config.shard_frames),
    }
    for name, (before, now) in found.items():
        if before != now:
            raise OutputError(
                f'{plan.folder}: it was begun with {name} {before}, found {now}; give the same '
                'options again, or another folder'
            )
