"""The weakly supervised training loop: mine, train, validate, keep the best weights.

Source: NetVLAD (journal version), Section 5.1 (mining and caching) and Section 6.1 (the rest).
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Sequence

import torch
from tqdm import tqdm

from ghost_vpr_ros.core.model.weights import save_model
from training.loop.checkpoint import (
    load_checkpoint,
    named,
    restore_tensors,
    save_checkpoint,
    tensors_of,
    unnamed,
)
from training.loop.optimiser import OptimiserConfig, learning_rate_at, set_learning_rate
from training.loop.run_folder import RunFolder
from training.loop.schedule import ScheduleConfig
from training.places.alarm import Alarm, AlarmConfig
from training.places.batch import TrainingTuple, TupleBatch
from training.places.mining import Block, PassCounter
from training.places.parts import TrainingParts
from training.places.selection import Selection
from training.places.state import TrainingState
from training.places.step import StepSums


class TrainingRun:
    """A training run and its folder, in each process; only the first process writes.

    Attributes:
        state: progress of the run.
    """

    def __init__(self, parts: TrainingParts, folder: RunFolder) -> None:
        """Begin, or resume from the folder's checkpoint if there is one.

        Raises:
            WeightsError: the checkpoint is damaged or of another architecture.
        """
        self.state = TrainingState()
        self._parts = parts
        self._folder = folder
        self._schedule = parts.experiment.section(ScheduleConfig)
        self._rates = parts.experiment.section(OptimiserConfig)
        self._origin = parts.model.provenance
        if folder.checkpoint.exists():
            self._restore()
        self._started_s = time.monotonic() - self.state.elapsed_s
        self._unlogged, self._unlogged_since_s = StepSums(), time.monotonic()
        self._mined_tuples, self._mined_queries = 0, 0
        self._saved_step = self.state.step
        self._alarm = Alarm(
            parts.experiment.section(AlarmConfig), str(folder.checkpoint), self.state.idle_blocks
        )

    def run(self) -> str:
        """Train to the end, and return the reason of the end.

        Raises:
            TrainingError: the loss is not finite, or the network has collapsed.
            ImageError: an image cannot be read.
            OutputError: the disk is full.
        """
        if not self._parts.selection.best:
            self._validate(0.0)
            self._save()
        while not self.state.ended:
            self._epoch()
        return self.state.ended

    def _epoch(self) -> None:
        """Train on the remaining blocks of the epoch."""
        blocks = self._parts.miner.blocks(self.state.epoch)
        for block in blocks[self.state.block :]:
            self._block(block, len(blocks))
            self._alarm.check_block(self.state.block_sums, self._where(block))
            self.state.idle_blocks = self._alarm.idle
            every = self._schedule.validate_every_blocks
            is_last = block.number + 1 == len(blocks)
            if is_last or (every and (block.number + 1) % every == 0):
                self._validate(block.epoch + (block.number + 1) / len(blocks))
            self.state.next_block(len(blocks))
            self.state.ended = self._alarm.why_end(len(blocks)) or self._why_end(is_last)
            # Other blocks than those of hard+nocache, which are single steps, are slow to mine.
            if is_last or self.state.ended or len(block.queries) > self._schedule.tuples_per_batch:
                self._save()
            if self.state.ended:
                return

    def _why_end(self, is_last: bool) -> str:
        selection = self._parts.selection
        if self.state.epoch == self._schedule.epochs:
            return f'all {self._schedule.epochs} epochs are done'
        if is_last and selection.is_over(self.state.epoch):
            return f'no better recall since epoch {selection.best_epoch:g}'
        return ''

    def _block(self, block: Block, count: int) -> None:
        """Mine the block if not done yet, and train on its remaining tuples."""
        state = self.state
        if state.tuples is None:
            state.tuples = self._mine(block)
        size = self._schedule.tuples_per_batch
        starts = range(state.done, len(state.tuples), size)
        batches = [state.tuples[start : start + size] for start in starts]
        bar = tqdm(
            zip(batches, self._loaded(batches, block.epoch), strict=True),
            f'epoch {block.epoch + 1}, block {block.number + 1}/{count}',
            len(batches),
            leave=False,
            disable=not (self._parts.processes.writes and sys.stderr.isatty()),
        )
        for batch, parts in bar:
            state.done += len(batch)
            progress = (block.number + state.done / len(state.tuples)) / count
            self._step(parts, len(batch), block.epoch + progress, self._where(block))
            bar.set_postfix(_shown(state.block_sums), refresh=False)
            if state.step - self._saved_step >= self._schedule.checkpoint_every_steps:
                self._save()

    def _step(
        self, parts: Sequence[TupleBatch], batch_size: int, progress: float, where: str
    ) -> None:
        rate = learning_rate_at(self._rates, progress, self._schedule.epochs)
        set_learning_rate(self._parts.optimiser, rate)
        sums = self._parts.step.backward(parts, batch_size)
        self._alarm.check_number('loss', sums.loss, where)
        gradient = self._parts.step.gradient_norm()
        self._alarm.check_number('gradient', gradient, where)
        self._parts.step.apply()
        self._parts.miner.counter.count_training(round(sums.images))
        self.state.step += 1
        self.state.block_sums += sums
        self._unlogged += sums
        if self.state.step % self._schedule.log_every_steps == 0:
            self._log_steps(rate, gradient)

    def _loaded(
        self, batches: Sequence[Sequence[TrainingTuple]], epoch: int
    ) -> Iterator[list[TupleBatch]]:
        """This process's tuples of each batch, in parts of `tuples_per_forward`."""
        size = self._schedule.tuples_per_forward
        cut = []
        for batch in batches:
            own = batch[self._parts.processes.own]
            cut.append([own[start : start + size] for start in range(0, len(own), size)])
        loaded = self._parts.loader.batches([part for parts in cut for part in parts], epoch)
        for parts in cut:
            yield list(itertools.islice(loaded, len(parts)))

    def _mine(self, block: Block) -> list[TrainingTuple]:
        """Mine the tuples of a block; the time is not counted in `images_per_s`."""
        model, started_s = self._parts.model, time.monotonic()
        tuples = self._parts.miner.mine(block, self._parts.describe, model.model_hash)
        self._mined_tuples += len(tuples)
        self._mined_queries += len(block.queries)
        self._unlogged_since_s += time.monotonic() - started_s
        return tuples

    def _validate(self, epoch: float) -> None:
        """Measure the recall, and save the weights if it is the best so far."""
        started_s = time.monotonic()
        recall = self._parts.validate()
        is_best = self._parts.selection.is_best(recall, epoch)
        self._log({'epoch': epoch, **{f'val_recall_{n}': r for n, r in recall.items()}})
        self._unlogged_since_s += time.monotonic() - started_s
        if not self._parts.processes.writes:
            return
        shown = ' / '.join(f'{value:.1f}' for value in recall.values())
        best = ', the best so far' if is_best else ''
        tqdm.write(f'epoch {epoch:g}: val r@1/5/10 {shown}{best}', file=sys.stderr)
        if is_best:
            model = self._parts.model
            model.provenance = f'{self._origin}; {self._history(epoch, shown)}'
            save_model(model, self._folder.weights)

    def _history(self, epoch: float, recall: str) -> str:
        """The training of the weights, for the provenance."""
        done = 'not trained further' if not epoch else f'trained {epoch:g} epochs'
        seed = self._parts.experiment.seed
        return f'{done} on {self._parts.sentence}, seed {seed}, val r@1/5/10 {recall}'

    def _log_steps(self, rate: float, gradient: float) -> None:
        """Log the averages of the steps since the last line."""
        sums, now_s = self._unlogged, time.monotonic()
        self._log(
            {
                'loss': sums.mean('loss'),
                'active_negatives': sums.mean('active_negatives'),
                'learning_rate': rate,
                'gradient_norm': gradient,
                'images_per_s': sums.images / max(now_s - self._unlogged_since_s, 1e-9),
            }
        )
        self._unlogged, self._unlogged_since_s = StepSums(), now_s

    def _log(self, values: dict[str, float]) -> None:
        """Log a line, with the share of queries since the last line that had an active tuple."""
        if self._mined_queries:
            values = {**values, 'active_tuples': self._mined_tuples / self._mined_queries}
            self._mined_tuples, self._mined_queries = 0, 0
        if self._parts.processes.writes:
            self._folder.log(self.state.step, values)

    def _where(self, block: Block) -> str:
        return f'epoch {block.epoch + 1}, block {block.number + 1}, step {self.state.step}'

    def _save(self) -> None:
        """Write the checkpoint."""
        self._saved_step = self.state.step
        if not self._parts.processes.writes:
            return
        self.state.elapsed_s = time.monotonic() - self._started_s
        parts = self._parts
        mined = {k: torch.from_numpy(v) for k, v in parts.miner.state().items()}
        tensors = {
            **tensors_of(parts.optimiser, model=parts.model),
            **named('miner', mined),
            **named('state', self.state.tensors()),
        }
        values = {
            'state': self.state.values(),
            'selection': parts.selection.state(),
            'scaler': parts.scaler.state_dict(),
            'passes': parts.miner.counter.to_dict(),
            'origin': self._origin,
        }
        save_checkpoint(self._folder.checkpoint, tensors, values)

    def _restore(self) -> None:
        path, parts = self._folder.checkpoint, self._parts
        tensors, values = load_checkpoint(path)
        restore_tensors(path, tensors, parts.optimiser, model=parts.model)
        parts.miner.restore({k: v.numpy() for k, v in unnamed('miner', tensors).items()})
        parts.miner.counter = PassCounter(**values['passes'])
        parts.scaler.load_state_dict(values['scaler'])
        parts.selection = Selection.from_state(parts.selection.config, values['selection'])
        self.state = TrainingState.restored(values['state'], unnamed('state', tensors))
        self._origin = values['origin']


def _shown(sums: StepSums) -> dict[str, str]:
    """Values of a block for the progress bar."""
    return {
        'loss': f'{sums.mean("loss"):.4f}',
        'active': f'{100.0 * sums.mean("active_negatives"):.0f}%',
    }
