"""The options that name a data set, derived from the settings of `DataConfig`."""

from __future__ import annotations

import argparse
from typing import Any

from ghost_vpr_ros.cli.options import add_settings, config_from
from training.datasets.data_config import DataConfig

_NO_OPTION = ('path', 'check_images')


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the positional SOURCE and one option for each setting of a data set."""
    parser.add_argument(
        'source', nargs='+', help='data set: folder, .mat, .npz, CSV manifest, or bags (drives)'
    )
    add_settings(
        parser.add_argument_group('how the data set is read'), DataConfig, without=_NO_OPTION
    )


def data_config(args: argparse.Namespace, **changes: Any) -> DataConfig:
    """The data set of the command line.

    Raises:
        ConfigError: a value is out of its range.
    """
    return config_from(args, DataConfig, path=tuple(args.source), **changes)
