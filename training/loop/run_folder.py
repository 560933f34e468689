"""The folder of one training run: configuration, log, TensorBoard events and checkpoint."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.whole_file import write_whole

CONFIG_NAME = 'config.yaml'
CHECKPOINT_NAME = 'checkpoint.safetensors'
LOG_NAME = 'log.csv'
METRICS_NAME = 'metrics.json'
WEIGHTS_NAME = 'weights.safetensors'
CACHE_NAME = 'cache'
BANK_NAME = 'bank'
BANK_STATE_NAME = 'bank.json'


class RunFolder:
    """Output folder of a run, created, or reopened with the same configuration.

    As a context manager it closes the log. If the run fails before it has results to resume from,
    the files of its start are removed.

    Attributes:
        path: the folder.
        checkpoint: path of the checkpoint, which need not exist.
        weights: path of the result.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], *, resume: bool) -> None:
        """Create the folder, or open the one of an interrupted run.

        Raises:
            OutputError: the folder has a run and `resume` is not set, or cannot be written.
            ConfigError: the folder has a run with another configuration.
        """
        self.path = path
        self.checkpoint = path / CHECKPOINT_NAME
        self.weights = path / WEIGHTS_NAME
        self._columns: tuple[str, ...] = ()
        self._writer: Any = None
        self._missing = [each for each in (path, *path.parents) if not each.exists()]
        self._is_claimed = False
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._claim(config, resume)
        except OSError as error:
            raise OutputError(
                f'{path}: the run folder cannot be written ({error.strerror}); choose another'
            ) from error

    def _claim(self, config: Mapping[str, Any], resume: bool) -> None:
        file = self.path / CONFIG_NAME
        text = yaml.safe_dump(dict(config), sort_keys=True)
        if not file.exists():
            write_whole(file, text.encode(), durable=True)
            self._is_claimed = True
            return
        if not resume:
            raise OutputError(
                f'{self.path}: already has a run; continue it with --resume, or name another '
                'folder'
            )
        if file.read_text(errors='replace') != text:
            raise ConfigError(
                f'{file}: expected the configuration of this run, found another one; resume with '
                'the same --config, or start in another folder'
            )

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the log; remove the files of a failed start.

        Raises:
            OutputError: as `close`.
        """
        try:
            self.close()
        finally:
            if kind is not None and self._is_claimed and not self._has_results():
                self._remove_start()

    def _has_results(self) -> bool:
        """Whether there is anything to resume from."""
        names = (LOG_NAME, CHECKPOINT_NAME, WEIGHTS_NAME, CACHE_NAME)
        results = (*names, f'{BANK_NAME}/{BANK_STATE_NAME}')
        return any((self.path / name).exists() for name in results)

    def _remove_start(self) -> None:
        """Remove the files and folders that the start of the run created."""
        shutil.rmtree(self.path / BANK_NAME, ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.path / CONFIG_NAME).unlink()
            for folder in self._missing:
                folder.rmdir()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append one row of scalars to log.csv and to TensorBoard.

        Rows of steps that a resumed run repeats appear twice; the later row counts.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._append({'step': step, 'time_s': round(time.time(), 1), **values})
            self._write_events(step, values)
        except OSError as error:
            raise self._log_error(error) from error

    def _log_error(self, error: OSError) -> OutputError:
        return OutputError(
            f'{self.path / LOG_NAME}: the log cannot be written ({error.strerror}); the last '
            'checkpoint is intact: free some space and start again with --resume'
        )

    def _append(self, row: Mapping[str, Any]) -> None:
        file = self.path / LOG_NAME
        if not self._columns and file.exists():
            self._columns = tuple(file.read_text(errors='replace').split('\n', 1)[0].split(','))
        fresh = not file.exists()
        if not set(row) <= set(self._columns):
            self._columns = (*self._columns, *(key for key in row if key not in self._columns))
            if not fresh:
                self._rewrite(file)
        with file.open('a', newline='') as stream:
            writer = csv.DictWriter(stream, self._columns, lineterminator='\n')
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def _rewrite(self, file: Path) -> None:
        """Rewrite the log with the current columns."""
        with file.open(newline='') as stream:
            rows = list(csv.DictReader(stream))
        text = io.StringIO(newline='')
        writer = csv.DictWriter(text, self._columns, lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)
        write_whole(file, text.getvalue().encode(), durable=False)

    def _write_events(self, step: int, values: Mapping[str, float]) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.path))
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the TensorBoard events.

        Raises:
            OutputError: the disk is full, or fails.
        """
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
        except OSError as error:
            raise self._log_error(error) from error
