"""Command-line options derived from configuration classes and their defaults."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any

from ghost_vpr_ros.core.config.settings import Config, ConfigT, Setting, settings_of
from ghost_vpr_ros.core.errors import ConfigError

MOST_SEED = 2**31 - 1
"""Every library's generator of random numbers takes it."""


def add_settings(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    config_type: type[Config],
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> None:
    """Add one option for each setting: `top_k` becomes `--top-k`.

    Args:
        parser: parser or option group.
        config_type: whose settings.
        only: names of the settings; all if not given.
        without: names of settings that get no option.
    """
    for item in settings_of(config_type):
        if (only is None or item.name in only) and item.name not in without:
            parser.add_argument(option_name(item.name), **_argument_of(item))


def option_name(setting_name: str) -> str:
    """`top_k` -> `--top-k`."""
    return '--' + setting_name.replace('_', '-')


def config_from(args: argparse.Namespace, config_type: type[ConfigT], **changes: Any) -> ConfigT:
    """The configuration of the options that were given, with changes; the rest are defaults.

    Raises:
        ConfigError: a value is out of its range.
    """
    return config_type.from_dict({**given_settings(args, config_type), **changes})


def given_settings(args: argparse.Namespace, config_type: type[Config]) -> dict[str, Any]:
    """Values by setting name of the options that were given on the command line."""
    values = {item.name: getattr(args, item.name, None) for item in settings_of(config_type)}
    return {name: value for name, value in values.items() if value is not None}


def add_where(parser: argparse._ActionsContainer, option: str = '--where', what: str = '') -> None:
    """Add a repeatable filter of a manifest's rows: `COLUMN=VALUE` or `COLUMN=LOW..HIGH`."""
    parser.add_argument(
        option,
        action='append',
        default=[],
        type=_column_and_value,
        metavar='COLUMN=VALUE',
        help=f'use only rows{what} whose column has this value, or whose number lies in the range '
        'LOW..HIGH (over the end where LOW > HIGH); repeatable, all must hold',
    )


def where_from(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The filter of a manifest: value by column.

    Raises:
        ConfigError: two values for one column, which no row could have.
    """
    values: dict[str, str] = {}
    for column, value in pairs:
        if column in values:
            raise ConfigError(
                f'filter {column}={value}: the column is given twice, {column}={values[column]} '
                'came before; filter by one value or range of a column'
            )
        values[column] = value
    return values


def _column_and_value(text: str) -> tuple[str, str]:
    column, equals, value = text.partition('=')
    if not equals or not column:
        raise argparse.ArgumentTypeError(f'expected COLUMN=VALUE, found {text!r}')
    return column, value


def _argument_of(item: Setting) -> dict[str, Any]:
    if isinstance(item.default, bool):
        return {**item.argument(), 'action': argparse.BooleanOptionalAction}
    return item.argument()


def seed(text: str) -> int:
    """The seed of an option; argparse prints the reason.

    Raises:
        argparse.ArgumentTypeError: no integer, negative, or too large.
    """
    if not text.isdecimal() or int(text[:20]) > MOST_SEED:
        raise argparse.ArgumentTypeError(
            f'expected an integer of 0 .. {MOST_SEED}, found {text!r}'
        )
    return int(text)
