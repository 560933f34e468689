"""Assemble the parts of a training run from its experiment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.replay.config import TupleConfig
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.positives import WeakLabels, weak_labels
from training.experiment import Experiment
from training.loop.augmentation import AugmentationConfig
from training.loop.describing import Describer
from training.loop.image_batches import ImageStore, open_pool
from training.loop.optimiser import OptimiserConfig, build_optimiser, freeze_below
from training.loop.parallel import Processes
from training.loop.precision import chosen_precision, make_scaler, run_trunk_in
from training.loop.schedule import ScheduleConfig
from training.places.batch import TupleLoader
from training.places.descriptor_cache import DescriptorCache
from training.places.loss import LossConfig
from training.places.mining import HARD_NOCACHE, Miner, MiningConfig
from training.places.selection import Selection, SelectionConfig, Validation
from training.places.step import TupleStep


@dataclass
class TrainingParts:
    """The parts of a training run.

    Attributes:
        experiment: the configuration.
        processes: rank and device of this process.
        model: in training, on its device.
        optimiser: of the trainable parameters.
        scaler: of the loss in float16.
        miner: mines tuples.
        loader: loads batches of tuples.
        step: performs optimiser steps.
        describe: describes training images with the current network.
        validate: measures the recall of the current network.
        selection: the best recall so far.
        pool: threads that read images.
        sentence: data and number of trained parameters, for the provenance.
    """

    experiment: Experiment
    processes: Processes
    model: VprModel
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    miner: Miner
    loader: TupleLoader
    step: TupleStep
    describe: Describer
    validate: Validation
    selection: Selection
    pool: ThreadPoolExecutor
    sentence: str

    def close(self) -> None:
        """Stop the threads; pending images are not read."""
        self.pool.shutdown(cancel_futures=True)


def assemble(
    experiment: Experiment,
    processes: Processes,
    train_set: PlaceSet,
    val_set: PlaceSet,
    model: VprModel,
    cache: Path,
) -> TrainingParts:
    """The parts of a training run that starts from `model`.

    Args:
        experiment: all settings.
        processes: rank and device of this process.
        train_set: to train on.
        val_set: to select the best weights on.
        model: with clusters, without whitening; moved to the device.
        cache: this process's folder for the descriptors of the training set.

    Raises:
        SourceError: no query has positives, in training or validation.
        OutputError: no space for the cache.
    """
    labels = weak_labels(train_set, experiment.section(TupleConfig))
    trained, optimiser, scaler = _prepared(experiment, model, processes.device)
    pool = open_pool(experiment.section(ScheduleConfig).workers)
    describe = _describer(experiment, train_set, model, processes, pool, mining=True)
    describe_val = _describer(experiment, val_set, model, processes, pool, mining=False)
    loss = experiment.section(LossConfig)
    optimisation = experiment.section(OptimiserConfig)
    selection = experiment.section(SelectionConfig)
    validate = Validation(val_set, describe_val, selection)
    sentence = f'{len(labels.queries)} queries of {train_set.name}, {trained} trained parameters'
    # The cache is created last, because its folder marks a run that has begun.
    return TrainingParts(
        experiment=experiment,
        processes=processes,
        model=model,
        optimiser=optimiser,
        scaler=scaler,
        miner=_miner(experiment, labels, cache, model.descriptor_dim),
        loader=_loader(experiment, train_set, pool),
        step=TupleStep(model, optimiser, scaler, labels, loss, optimisation, processes),
        describe=describe,
        validate=validate,
        selection=Selection(selection, {}),
        pool=pool,
        sentence=sentence,
    )


def _prepared(
    experiment: Experiment, model: VprModel, device: torch.device
) -> tuple[int, torch.optim.Optimizer, torch.amp.GradScaler]:
    """Number of trained parameters, optimiser and scaler; moves the model to the device."""
    config = experiment.section(OptimiserConfig)
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = freeze_below(model, config.train_from)
    precision = chosen_precision(experiment.section(ScheduleConfig).precision, device)
    run_trunk_in(precision, model, device)
    return trained, build_optimiser(model, config), make_scaler(precision, device)


def _describer(
    experiment: Experiment,
    places: PlaceSet,
    model: VprModel,
    processes: Processes,
    pool: ThreadPoolExecutor,
    *,
    mining: bool,
) -> Describer:
    schedule = experiment.section(ScheduleConfig)
    store = ImageStore(
        places.frames, model.preprocessing, processes.device, schedule.images_in_memory_gb, pool
    )
    quick = mining and schedule.quick_mining
    return Describer(model, store, processes, schedule.describe_batch, quick=quick)


def _miner(experiment: Experiment, labels: WeakLabels, cache: Path, descriptor_dim: int) -> Miner:
    mining = experiment.section(MiningConfig)
    optimiser = experiment.section(OptimiserConfig)
    needs_cache = mining.scheme != HARD_NOCACHE
    return Miner(
        labels,
        mining,
        margin=experiment.section(LossConfig).margin,
        seed=experiment.seed,
        halve_every=optimiser.halve_every_epochs if optimiser.schedule == 'halve' else 0,
        tuples_per_batch=experiment.section(ScheduleConfig).tuples_per_batch,
        cache=DescriptorCache(cache, len(labels.places), descriptor_dim) if needs_cache else None,
    )


def _loader(experiment: Experiment, train_set: PlaceSet, pool: ThreadPoolExecutor) -> TupleLoader:
    """The loader; images are augmented only if the experiment has the section `augmentation`."""
    wanted = 'augmentation' in experiment.sections
    return TupleLoader(
        train_set.frames,
        experiment.preprocessing,
        experiment.section(AugmentationConfig) if wanted else None,
        experiment.seed,
        pool,
    )
