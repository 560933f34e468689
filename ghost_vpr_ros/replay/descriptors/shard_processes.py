"""Several processes that describe the shards of one work list."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core import errors
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.datatypes import Progress
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import DeviceError, GhostVprError
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.descriptors.plan import MODEL_NAME, read_plan
from ghost_vpr_ros.replay.descriptors.shard_work import describe_shards
from ghost_vpr_ros.replay.sources.image_sources import open_source

_POLL_S = 0.2
_END_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class DescribeJob:
    """All that a process needs to describe shards; each opens source and model itself.

    Attributes:
        folder: with the plan and the weights.
        source: folder, manifest or bag.
        where: value or range by column of a manifest.
        topics: of a bag.
        images: how large a single image may be.
        engine: settings of the engine. Where they name no number of threads, the processes share
            the cores; with the device `cuda` they spread over all CUDA devices.
        num_workers: how many processes there are on this machine.
    """

    folder: Path
    source: str
    where: Mapping[str, str]
    topics: Mapping[str, Any]
    images: Mapping[str, Any]
    engine: Mapping[str, Any]
    num_workers: int


def describe_in_processes(job: DescribeJob, progress: Progress) -> None:
    """Describe all shards of the plan; returns when all are finished.

    Args:
        job: what to describe; the plan is written already.
        progress: called with the number of frames in shards finished since the last call.

    Raises:
        GhostVprError: the error that stopped one of the processes; finished shards stay.
    """
    context = multiprocessing.get_context('spawn')
    failures = context.SimpleQueue()
    processes = [
        context.Process(target=_work, args=(job, number, os.getpid(), failures), daemon=True)
        for number in range(job.num_workers)
    ]
    for process in processes:
        process.start()
    plan = read_plan(job.folder)
    told = plan.count_finished()
    try:
        while any(process.is_alive() for process in processes):
            time.sleep(_POLL_S)
            told += _tell(plan.count_finished() - told, progress)
            _raise_failure(failures, processes)
        _raise_failure(failures, processes)
        _tell(plan.count_finished() - told, progress)
    finally:
        _end(processes)


def _tell(count: int, progress: Progress) -> int:
    if count:
        progress(count)
    return count


def _raise_failure(failures: Any, processes: Sequence[BaseProcess]) -> None:
    if not failures.empty():
        kind, message = failures.get()
        raise getattr(errors, kind)(message)
    for number, process in enumerate(processes):
        if process.exitcode:
            raise DeviceError(
                f'process {number} of {len(processes)} ended with status {process.exitcode} '
                '(a negative one is a signal; 9 is often a lack of memory); give the command '
                'again to continue, with fewer --workers where memory is short'
            )


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_END_TIMEOUT_S)
        if process.is_alive():
            process.kill()
            process.join()


def _work(job: DescribeJob, number: int, parent: int, failures: Any) -> None:
    """The life of one process; a known error goes to the parent, which shows it."""
    # Ctrl-C reaches the process group; the parent ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _describe(job, number, lambda: os.getppid() != parent)
    except GhostVprError as error:
        failures.put((type(error).__name__, str(error)))


def _describe(job: DescribeJob, number: int, should_stop: Callable[[], bool]) -> None:
    plan = read_plan(job.folder)
    topics = BagTopics.from_dict(dict(job.topics))
    images = ImageConfig.from_dict(dict(job.images))
    frames = open_source(job.source, where=job.where, topics=topics, images=images).frames
    plan.check_frames(frames)
    model = StoredModel.from_file(job.folder / MODEL_NAME)
    with closing(create_engine(model, _engine_of(job, number))) as engine:
        describe_shards(plan, frames, model, engine, should_stop=should_stop)


def _engine_of(job: DescribeJob, number: int) -> EngineConfig:
    """The settings of one process's engine."""
    config = EngineConfig.from_dict(job.engine)
    device = config.device
    if device == 'cuda':
        import torch

        device = spread_device(number, torch.cuda.device_count())
    threads = config.inference_threads or threads_of_each(job.num_workers)
    return replace(config, device=device, inference_threads=threads)


def threads_of_each(num_workers: int) -> int:
    """Threads for the engine of each process, so that together they fill the cores."""
    return max(1, len(os.sched_getaffinity(0)) // num_workers)


def spread_device(number: int, num_devices: int) -> str:
    """The CUDA device of one process: each in turn; without any, the name that is refused."""
    return f'cuda:{number % num_devices}' if num_devices else 'cuda'
