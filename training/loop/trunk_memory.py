"""Cache of a frozen trunk's feature maps: computed once per image and kept in a file.

Poolings that are compared on one trunk share its feature maps. With the cache, describing an image
again costs a look-up instead of a run of the trunk. The maps are float32, unchanged.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.model.description import content_hash
from ghost_vpr_ros.core.model.vpr_model import VprModel, arrays_of

_WAIT_S = 60.0
"""Time-out while another process writes the same file."""


class TrunkMemory:
    """A file of feature maps of one trunk, float32, keyed by a hash of the network's input."""

    def __init__(self, folder: Path, model: VprModel) -> None:
        """Open or create the file of the model's trunk, and make the trunk use it.

        Raises:
            OutputError: the folder cannot be written.
        """
        architecture = {'trunk': str(model.backbone)}
        digest = content_hash(architecture, arrays_of(model.backbone.state_dict()))
        self.path = folder / f'{digest[:16]}.db'
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=_WAIT_S, check_same_thread=False)
            self._file.execute('PRAGMA journal_mode=WAL')
            self._file.execute('PRAGMA synchronous=OFF')
            self._file.execute(
                'CREATE TABLE IF NOT EXISTS maps (input BLOB PRIMARY KEY, map BLOB)'
            )
            self._file.commit()
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f'{folder}: feature maps cannot be kept there ({error}); name another folder'
            ) from error
        self._trunk = model.backbone.forward
        self._shape: tuple[int, ...] = ()
        model.backbone.forward = self._maps  # type: ignore[method-assign]

    def __deepcopy__(self, memo: dict[int, object]) -> TrunkMemory:
        """This object: copies of a network with a frozen trunk share its maps."""
        return self

    def _maps(self, batch: Tensor) -> Tensor:
        """(B, C, h, w) float32 of inputs (B, 3, H, W), without gradients."""
        inputs = batch.detach().cpu().contiguous().numpy()
        keys = [hashlib.blake2b(each.data, digest_size=16).digest() for each in inputs]
        found = {key: self._known(key) for key in keys}
        new = [row for row, key in enumerate(keys) if found[key] is None]
        if new:
            with torch.no_grad():
                made = self._trunk(batch[new])
            self._shape = tuple(made.shape[1:])
            for row, each in zip(new, made.cpu().contiguous().numpy(), strict=True):
                found[keys[row]] = each.tobytes()
                self._keep(keys[row], found[keys[row]])
            self._file.commit()
        raw = b''.join(found[key] or b'' for key in keys)
        maps = np.frombuffer(raw, np.float32).reshape(len(keys), *self._shape_of(batch))
        return torch.from_numpy(maps.copy()).to(batch.device)

    def _known(self, key: bytes) -> bytes | None:
        row = self._file.execute('SELECT map FROM maps WHERE input = ?', (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def _keep(self, key: bytes, values: bytes | None) -> None:
        self._file.execute('INSERT OR IGNORE INTO maps VALUES (?, ?)', (key, values))

    def _shape_of(self, batch: Tensor) -> tuple[int, ...]:
        """(C, h, w) of the maps of inputs of this size."""
        if not self._shape:
            with torch.no_grad():
                self._shape = tuple(self._trunk(batch[:1]).shape[1:])
        return self._shape


def add_maps_option(parser: argparse.ArgumentParser) -> None:
    """Add `--maps`."""
    parser.add_argument(
        '--maps', type=Path, help='folder to cache the feature maps of a frozen trunk in'
    )


def check_frozen(train_from: str, folder: Path | None) -> None:
    """Refuse to cache the maps of a trainable trunk.

    Raises:
        ConfigError: the training changes the trunk.
    """
    if folder is not None and train_from != 'pooling':
        raise ConfigError(
            f'--maps: expected optimiser.train_from pooling, found {train_from!r}: the maps of a '
            'trunk that is trained change; leave --maps out'
        )


def remember_trunk(model: VprModel, folder: Path | None) -> None:
    """Make the model's trunk use a cache in `folder`; None: no cache.

    Raises:
        OutputError: the folder cannot be written.
    """
    if folder is not None:
        TrunkMemory(folder, model)
