"""A bank of views of photos with a teacher's maps of them, computed once and kept on disk.

The teacher costs as much time as the student's forward pass, and reading and cutting a photo half
of it. Views can be reused with different augmentation, so both are done once: the bank has the
pixels and the teacher's maps in float16 (14 x 14 x 112 numbers: 44 KB), memory-mapped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.whole_file import reserve, write_whole
from training.loop.augmentation import AugmentationConfig, augment
from training.loop.parallel import Processes
from training.loop.run_folder import BANK_STATE_NAME
from training.trunk.photo_views import ViewBatches

BLOCK = 32
"""Views that are cut, described and written together."""

_BLOCKS_AT_ONCE = 16
"""Blocks between flushes to disk; an interruption loses at most these."""

_MADE = 'made'


class BankViews(Protocol):
    """Views to fill a bank with.

    Attributes:
        identity: all parameters of the views, as JSON values.
    """

    @property
    def identity(self) -> object:
        """See above."""
        ...

    def clean_views(self, block: int, count: int) -> NDArray[np.uint8]:
        """(count, size, size, 3) RGB uint8 views of a block."""
        ...

    def inputs(self, views: NDArray[np.uint8]) -> Tensor:
        """(B, 3, size, size) float32 network inputs of views."""
        ...


class MapsOf(Protocol):
    """The network whose maps are stored: a teacher, or the network before refinement.

    Attributes:
        name: of the network.
        blocks: whose maps it returns.
    """

    @property
    def name(self) -> str:
        """See above."""
        ...

    @property
    def blocks(self) -> Sequence[int]:
        """See above."""
        ...

    def __call__(self, batch: Tensor) -> list[Tensor]:
        """Maps (B, C_i, h_i, w_i) of network inputs."""
        ...


class ViewBank:
    """N views and the teacher's maps of them; an incomplete bank is completed.

    Attributes:
        views: (N, size, size, 3) uint8 RGB.
        maps: (N, h_i, w_i, C_i) float16 for each block of the teacher.
    """

    def __init__(
        self,
        folder: Path,
        batches: BankViews,
        teacher: MapsOf,
        count: int,
        processes: Processes | None = None,
    ) -> None:
        """Open the bank of a folder, and compute its missing parts.

        Args:
            folder: of the bank; created if missing.
            batches: cuts the views.
            teacher: network whose maps are stored.
            count: N.
            processes: that share the work; all of them open the bank. None: only this process.

        Raises:
            OutputError: the folder cannot be written, or has a bank with other settings.
            ImageError: photos cannot be read.
        """
        self._folder = folder
        self._count = count
        self._processes = processes or Processes(0, 1, torch.device('cpu'))
        fresh = self._begin(_key(batches, teacher, count)) if self._processes.writes else False
        if fresh:
            self._make_arrays(batches, teacher)
        self._processes.wait()
        self._made = self._open(_MADE)
        self.views = self._open('views')
        self.maps = [self._open(f'map{number}') for number in range(self._state()['maps'])]
        self._complete(batches, teacher)
        self._processes.wait()

    def _begin(self, key: str) -> bool:
        """Whether there is no bank yet; checks the key of an existing one."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refused(self._folder, error) from error
        if not (self._folder / BANK_STATE_NAME).exists():
            return True
        if self._state()['key'] != key:
            raise OutputError(
                f'{self._folder}: expected the views of these settings, found others; remove the '
                'folder, or name another one'
            )
        return False

    def _state(self) -> dict[str, Any]:
        """The key of the bank, and its number of maps per view.

        Raises:
            OutputError: damaged.
        """
        path = self._folder / BANK_STATE_NAME
        try:
            state = json.loads(path.read_text(encoding='utf-8'))
            return {'key': str(state['key']), 'maps': int(state['maps'])}
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise OutputError(
                f'{path}: cannot be used ({error}); remove the folder, or name another one'
            ) from error

    def _refused(self, path: Path, error: OSError) -> OutputError:
        return OutputError(
            f'{path}: cannot be written ({error.strerror}); free space, or name another folder'
        )

    def _make_arrays(self, batches: BankViews, teacher: MapsOf) -> None:
        """Write empty arrays and then the key, which marks them as complete."""
        example = batches.clean_views(0, BLOCK)[:1]
        maps = teacher(batches.inputs(example))
        self._make('views', (self._count, *example.shape[1:]), np.uint8)
        for number, each in enumerate(maps):
            channels, height, width = each.shape[1:]
            self._make(f'map{number}', (self._count, height, width, channels), np.float16)
        self._make(_MADE, (-(-self._count // BLOCK),), np.bool_)
        content = json.dumps({'key': _key(batches, teacher, self._count), 'maps': len(maps)})
        try:
            write_whole(self._folder / BANK_STATE_NAME, content.encode(), durable=False)
        except OSError as error:
            raise self._refused(self._folder / BANK_STATE_NAME, error) from error

    def _make(self, name: str, shape: tuple[int, ...], dtype: type) -> None:
        path = self._folder / f'{name}.npy'
        try:
            open_memmap(path, 'w+', np.dtype(dtype), shape).flush()
            reserve(path)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise self._refused(path, error) from error

    def _open(self, name: str) -> np.memmap:
        path = self._folder / f'{name}.npy'
        try:
            return np.load(path, mmap_mode='r+')  # type: ignore[no-any-return]
        except (OSError, ValueError) as error:
            raise OutputError(
                f'{path}: cannot be used ({error}); remove the folder, or name another one'
            ) from error

    def _complete(self, batches: BankViews, teacher: MapsOf) -> None:
        """Compute this process's share of the missing blocks."""
        missing = np.flatnonzero(~self._made)[self._processes.own]
        quiet = None if self._processes.writes else True
        with tqdm(total=len(missing) * BLOCK, desc='views', disable=quiet) as bar:
            for first in range(0, len(missing), _BLOCKS_AT_ONCE):
                numbers = missing[first : first + _BLOCKS_AT_ONCE]
                for number in numbers:
                    self._fill(int(number), batches, teacher)
                    bar.update(BLOCK)
                for array in (self.views, *self.maps):
                    array.flush()
                # Marked after the flush, so that a power cut leaves no marked block without data.
                self._made[numbers] = True
                self._made.flush()

    def _fill(self, number: int, batches: BankViews, teacher: MapsOf) -> None:
        start = number * BLOCK
        views = batches.clean_views(number, BLOCK)[: self._count - start]
        end = start + len(views)
        self.views[start:end] = views
        for kept, found in zip(self.maps, teacher(batches.inputs(views)), strict=True):
            kept[start:end] = found.permute(0, 2, 3, 1).cpu().numpy()


def _key(batches: BankViews, teacher: MapsOf, count: int) -> str:
    """A digest of all parameters of a bank."""
    content = [batches.identity, teacher.name, list(teacher.blocks), count]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class BankBatches(Dataset[tuple[list[Tensor], Tensor]]):
    """Item `step` is that step's batch: the teacher's maps, and the augmented views."""

    def __init__(
        self,
        bank: ViewBank,
        batches: ViewBatches,
        augmentation: AugmentationConfig,
        seed: Sequence[int],
    ) -> None:
        """Set the parameters of the batches.

        Args:
            bank: views and maps.
            batches: converts views to network inputs; its length is the number of steps.
            augmentation: of the student's views.
            seed: of all random choices, with the step.
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
