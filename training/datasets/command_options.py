"""Options of the data set commands, derived from the settings of `DataConfig` and the like."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any

from ghost_vpr_ros.core.config.settings import Config, ConfigT, Setting, settings_of
from training.datasets.data_config import DataConfig

_NO_OPTION = ('path', 'check_images')


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the positional SOURCE and one option for each setting of a data set."""
    parser.add_argument(
        'source', nargs='+', help='data set: folder, .mat, .npz, CSV manifest, or bags (drives)'
    )
    add_settings(parser.add_argument_group('how the data set is read'), DataConfig, _NO_OPTION)


def data_config(args: argparse.Namespace, **changes: Any) -> DataConfig:
    """The data set of the command line.

    Raises:
        ConfigError: a value is out of its range.
    """
    return config_from(args, DataConfig, path=tuple(args.source), **changes)


def add_settings(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    config_type: type[Config],
    without: Collection[str] = (),
) -> None:
    """Add one option for each setting, as in `width_px` -> `--width-px`."""
    for item in settings_of(config_type):
        if item.name not in without:
            parser.add_argument('--' + item.name.replace('_', '-'), **_argument_of(item))


def config_from(args: argparse.Namespace, config_type: type[ConfigT], **changes: Any) -> ConfigT:
    """The configuration of the options that were given; the others keep their defaults.

    Raises:
        ConfigError: a value is out of its range.
    """
    values = {item.name: getattr(args, item.name, None) for item in settings_of(config_type)}
    given = {name: value for name, value in values.items() if value is not None}
    return config_type.from_dict({**given, **changes})


def _argument_of(item: Setting) -> dict[str, Any]:
    if isinstance(item.default, bool):
        return {**item.argument(), 'action': argparse.BooleanOptionalAction}
    return item.argument()
