"""How long a training goes on, in which portions, and what runs it."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import Config, setting


@dataclass(frozen=True)
class ScheduleConfig(Config):
    """Portions of the training loop; `schedule` in an experiment's YAML file."""

    epochs: int = setting(
        30, 'most passes over the queries (NetVLAD, Section 6.1)', low=1, high=10_000
    )
    tuples_per_batch: int = setting(
        4, 'tuples that one step of the optimiser sees, all processes together', low=1, high=4096
    )
    tuples_per_forward: int = setting(
        4, 'tuples in memory at once; fewer cost no accuracy', low=1, high=4096
    )
    describe_batch: int = setting(
        32, 'images in memory at once where no gradient is needed', low=1, high=4096
    )
    validate_every_blocks: int = setting(
        0, 'blocks between validations within an epoch; 0: only at its end', low=0
    )
    checkpoint_every_steps: int = setting(
        100, 'steps of the optimiser between checkpoints within a block', low=1, high=10**9
    )
    log_every_steps: int = setting(
        10, 'steps of the optimiser that one line of the log averages', low=1, high=10**9
    )
    initialise_clusters: bool = setting(
        False, 'initialise the clusters although the given weights have some'
    )
    workers: int = setting(
        0, 'threads that load and augment images; 0: as many as there are cores', low=0, high=256
    )
    precision: str = setting(
        'auto',
        'of the trunk: auto is float32 on a CPU, bfloat16 on a GPU that has it',
        choices=('auto', 'float32', 'bfloat16', 'float16'),
    )
    quick_mining: bool = setting(
        False,
        'mine with a copy of the network in bfloat16: twice as fast on a CPU that computes in it',
    )
    images_in_memory_gb: float = setting(
        2.0,
        'images of a set are kept on the device, at the size of the input, up to this size',
        unit='GB',
        low=0.0,
        high=1e4,
    )
