"""Write a data set as a manifest or as folders of @UTM@ names, without changing its images.

Images are copied, linked or only listed. The same command continues an interrupted run;
existing images are kept, and nothing is overwritten, moved or deleted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.datasets.builders.build import BuildConfig, BuildSummary, build_sets
from training.datasets.command_options import add_source, data_config
from training.datasets.data_config import DataConfig
from training.datasets.open_place_set import open_place_set
from training.datasets.readers.splits import splits_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_source(parser)
    parser.add_argument('--out', type=Path, required=True, help='new folder')
    add_settings(parser, BuildConfig)


def run(args: argparse.Namespace) -> int:
    """Build the data set.

    Raises:
        GhostVprError: the source cannot be read, or the folder not be written.
    """
    config, build = data_config(args), config_from(args, BuildConfig)
    check_outside(args.out, config)
    sets = opened_parts(config)
    report(args.out, sets, write(sets, args.out, build, origin_of(config)))
    return 0


def opened_parts(config: DataConfig) -> dict[str, PlaceSet]:
    """Every split of the data set by name; a data set without splits gets an empty name."""
    parts = splits_of(config)
    return {split: open_place_set(replace(config, split=split)) for split in parts}


def origin_of(config: DataConfig) -> dict[str, Any]:
    """The settings of the source, for the settings file of the new folder."""
    paths = [str(path.resolve()) for path in config.paths]
    return {'source': {**config.to_dict(), 'path': paths}}


def check_outside(out: Path, config: DataConfig) -> None:
    """Refuse an output folder inside the source, which the next run would read.

    Raises:
        OutputError: the output folder is the source, or inside it.
    """
    for path in config.paths:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise OutputError(
                f'{out}: inside the source {path}, which is only read; name a folder outside it'
            )


def write(
    sets: Mapping[str, PlaceSet], out: Path, build: BuildConfig, origin: Mapping[str, Any]
) -> BuildSummary:
    """Build, with a progress bar on terminals."""
    total = sum(map(len, sets.values()))
    with tqdm(total=total, desc='build', unit='image', disable=None) as bar:
        return build_sets(sets, out, build, origin, bar.update)


def report(out: Path, sets: Mapping[str, PlaceSet], summary: BuildSummary) -> None:
    """Print what was built."""
    parts = ', '.join(
        f'{split or "all"}: {len(places.queries):,} queries and {len(places.database):,} database '
        'images'
        for split, places in sets.items()
    )
    kept = f', {summary.kept:,} kept' if summary.kept else ''
    sys.stdout.write(f'{out}: {parts}; {summary.written:,} images written{kept}\n')
