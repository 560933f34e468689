"""Fixed views of many photos with the maps that a teacher has of them, made once and kept.

The teacher costs as much as the student's forward pass, reading and cutting a photo half of it. A
view is worth seeing often, under other light each time, so both are done once: the bank holds the
pixels and the teacher's maps in float16 (14 x 14 x 112 numbers: 44 KB), memory-mapped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.whole_file import write_whole
from training.loop.augmentation import AugmentationConfig, augment
from training.trunk.photo_views import ViewBatches

BLOCK = 32
"""Views that are cut, shown to the teacher and written together."""

_STATE = 'bank.json'


class BankViews(Protocol):
    """What a bank is filled with.

    Attributes:
        identity: what decides the views, as JSON has it.
    """

    @property
    def identity(self) -> object:
        """See above."""
        ...

    def clean_views(self, block: int, count: int) -> NDArray[np.uint8]:
        """(count, size, size, 3) RGB uint8: the views of a block."""
        ...

    def inputs(self, views: NDArray[np.uint8]) -> Tensor:
        """(B, 3, size, size) float32 network inputs of views."""
        ...


class MapsOf(Protocol):
    """Whose maps are kept: a teacher, or the network as it was.

    Attributes:
        name: which network it is.
        blocks: whose maps it gives.
    """

    name: str
    blocks: Sequence[int]

    def __call__(self, batch: Tensor) -> list[Tensor]:
        """Maps (B, C_i, h_i, w_i) of network inputs."""
        ...


class ViewBank:
    """N views and the teacher's maps of them; a bank that was interrupted is completed.

    Attributes:
        views: (N, size, size, 3) uint8 RGB.
        maps: of each block of the teacher (N, h_i, w_i, C_i) float16.
    """

    def __init__(self, folder: Path, batches: BankViews, teacher: MapsOf, count: int) -> None:
        """Open the bank in a folder, and make what is missing of it.

        Args:
            folder: of the bank; made where it is missing.
            batches: cuts the views: item `block` is a block of views.
            teacher: whose maps are kept.
            count: N.

        Raises:
            OutputError: the folder cannot be written, or holds the bank of other settings.
            ImageError: photos cannot be read.
        """
        self._folder = folder
        self._count = count
        self._key = _key(batches, teacher, count)
        done = self._begin()
        example = batches.clean_views(0, BLOCK)
        shapes = [tuple(each.shape[1:]) for each in teacher(batches.inputs(example[:1]))]
        self.views = self._array('views', done, (count, *example.shape[1:]), np.uint8)
        self.maps = [
            self._array(f'map{number}', done, (count, h, w, channels), np.float16)
            for number, (channels, h, w) in enumerate(shapes)
        ]
        self._complete(done, batches, teacher)

    def _begin(self) -> int:
        """How many views are there already."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / _STATE
        if not path.exists():
            self._note(0)
            return 0
        state = json.loads(path.read_text(encoding='utf-8'))
        if state.get('key') != self._key:
            raise OutputError(
                f'{self._folder}: expected the views of these settings, found others; remove the '
                'folder, or name another one'
            )
        return int(state['done'])

    def _note(self, done: int) -> None:
        content = json.dumps({'key': self._key, 'done': done})
        write_whole(self._folder / _STATE, content.encode(), durable=False)

    def _array(self, name: str, done: int, shape: tuple[int, ...], dtype: type) -> np.memmap:
        path = self._folder / f'{name}.npy'
        try:
            if done:
                return np.load(path, mmap_mode='r+')  # type: ignore[no-any-return]
            return open_memmap(path, 'w+', np.dtype(dtype), shape)
        except (OSError, ValueError) as error:
            raise OutputError(
                f'{path}: cannot be used ({error}); remove the folder, or name another one'
            ) from error

    def _complete(self, done: int, batches: BankViews, teacher: MapsOf) -> None:
        with tqdm(total=self._count, initial=done, desc='views', disable=None) as bar:
            for start in range(done, self._count, BLOCK):
                views = batches.clean_views(start // BLOCK, BLOCK)[: self._count - start]
                end = start + len(views)
                self.views[start:end] = views
                for kept, found in zip(self.maps, teacher(batches.inputs(views)), strict=True):
                    kept[start:end] = found.permute(0, 2, 3, 1).cpu().numpy()
                if end == self._count or start % (BLOCK * 32) == 0:
                    self._flush()
                    self._note(end)
                bar.update(len(views))

    def _flush(self) -> None:
        for array in (self.views, *self.maps):
            array.flush()


def _key(batches: BankViews, teacher: MapsOf, count: int) -> str:
    """Digits of everything that decides what a bank holds."""
    said = [batches.identity, teacher.name, list(teacher.blocks), count]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


class BankBatches(Dataset[tuple[list[Tensor], Tensor]]):
    """Item `step` is that step's batch: the teacher's maps, and the views under other light."""

    def __init__(
        self,
        bank: ViewBank,
        batches: ViewBatches,
        augmentation: AugmentationConfig,
        seed: Sequence[int],
    ) -> None:
        """Draw from a bank.

        Args:
            bank: views and maps.
            batches: turns views into network inputs; its length is the number of steps.
            augmentation: how the student's views are changed.
            seed: decides everything, together with the step.
        """
        self._bank = bank
        self._batches = batches
        self._augmentation = augmentation
        self._seed = tuple(seed)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, step: int) -> tuple[list[Tensor], Tensor]:
        """Maps (B, C_i, h_i, w_i) float32 and network inputs (B, 3, size, size) float32."""
        rng = np.random.default_rng((*self._seed, step))
        rows = np.sort(rng.integers(0, len(self._bank.views), self._batches.batch_size))
        changed = [augment(self._bank.views[row], rng, self._augmentation) for row in rows]
        return [_map(each, rows) for each in self._bank.maps], self._batches.inputs(changed)


def _map(kept: NDArray[np.float16], rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(kept[rows].astype(np.float32)).permute(0, 3, 1, 2)
