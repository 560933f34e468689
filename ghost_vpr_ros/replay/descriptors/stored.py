"""Reads the descriptors that `ghost-vpr describe` has written, in the order of their frames."""

from __future__ import annotations

import csv
import io
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.descriptors.plan import FRAMES_NAME, MODEL_NAME, check_table, read_plan

_OPEN_SHARDS = 16


class StoredDescriptors:
    """(N, D) descriptors in files; each is read and checked on first use.

    Attributes:
        plan: which frames of which model.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder whose shards are all finished.

        Raises:
            SourceError: it is not such a folder, or unfinished.
        """
        self.plan = read_plan(folder)
        missing = sum(1 for _ in self.plan.unfinished())
        if missing:
            raise SourceError(
                f'{folder}: {missing} of {self.plan.num_shards} shards are not described yet; '
                'give the same ghost-vpr describe again to finish it'
            )
        self._shard = lru_cache(_OPEN_SHARDS)(self.plan.load_shard)

    def __len__(self) -> int:
        return self.plan.num_frames

    @property
    def model_path(self) -> Path:
        """The weights file of the model that described the frames."""
        return self.plan.folder / MODEL_NAME

    def row(self, number: int) -> NDArray[np.float32]:
        """(D,) descriptor of one row."""
        shard, offset = divmod(number, self.plan.shard_frames)
        return np.asarray(self._shard(shard)[offset], dtype=np.float32)

    def of(self, frame: Frame) -> NDArray[np.float32]:
        """(D,) descriptor of a frame, found by name and stamp.

        Raises:
            SourceError: the frame was not described.
        """
        number = self._rows.get((frame.name, frame.stamp_ns))
        if number is None:
            raise SourceError(
                f'{self.plan.folder}: {frame.name} is not among its {len(self)} images of '
                f'{self.plan.source}; describe the source that is used here'
            )
        return self.row(number)

    @cached_property
    def _rows(self) -> dict[tuple[str, int], int]:
        path = self.plan.folder / FRAMES_NAME
        try:
            text = path.read_bytes().decode('utf-8', 'surrogateescape')
        except OSError as error:
            raise SourceError(
                f'{path}: the list of images cannot be read ({error.strerror}); describe the '
                'source again into a new folder'
            ) from error
        check_table(self.plan, text)
        rows = csv.reader(io.StringIO(text, newline=''))
        next(rows)
        return {(name, int(stamp)): number for number, (name, stamp) in enumerate(rows)}
