"""Schedule of a training: duration, batch sizes, intervals, precision."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting


@dataclass(frozen=True)
class ScheduleConfig(Config):
    """Schedule of the training loop; `schedule` in an experiment's YAML file."""

    epochs: int = setting(
        30, 'largest number of epochs (NetVLAD, Section 6.1)', low=1, high=10_000
    )
    tuples_per_batch: int = setting(
        4, 'tuples per optimiser step, over all processes', low=1, high=4096
    )
    tuples_per_forward: int = setting(
        4, 'tuples per forward pass; limits memory, gradients are accumulated', low=1, high=4096
    )
    describe_batch: int = setting(
        32, 'images per forward pass without gradients', low=1, high=4096
    )
    validate_every_blocks: int = setting(
        0, 'blocks between validations within an epoch; 0: only at its end', low=0
    )
    checkpoint_every_steps: int = setting(
        100, 'optimiser steps between checkpoints within a block', low=1, high=10**9
    )
    log_every_steps: int = setting(
        10, 'optimiser steps averaged in a line of the log', low=1, high=10**9
    )
    initialise_clusters: bool = setting(
        False, 'initialise the clusters even if the given weights have them'
    )
    workers: int = setting(
        0, 'threads that load and augment images; 0: the number of cores', low=0, high=256
    )
    precision: str = setting(
        'auto',
        'of the trunk: auto is float32 on a CPU, bfloat16 on a GPU that supports it',
        choices=('auto', 'float32', 'bfloat16', 'float16'),
    )
    quick_mining: bool = setting(
        False,
        'mine with a bfloat16 copy of the network: twice as fast on a CPU with bfloat16',
    )
    images_in_memory_gb: float = setting(
        2.0,
        'keep the images of a set on the device, at the input size, if they fit this limit',
        unit='GB',
        low=0.0,
        high=1e4,
    )
