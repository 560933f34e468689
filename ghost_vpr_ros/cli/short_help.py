"""Help that shows the common options first, for commands that have dozens."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any


def add_short_help(parser: argparse.ArgumentParser, common: Collection[str]) -> None:
    """Add `--help`, which shows the common options, and `--help-all`.

    Args:
        parser: made without help, with all its options.
        common: options as they are written, such as `--map`.
    """
    parser.add_argument('-h', '--help', action=_ShortHelp, common=common, help='show this')
    parser.add_argument('--help-all', action='help', help='show every option')
    parser.usage = _usage(parser)


def _usage(parser: argparse.ArgumentParser) -> str:
    """The required arguments only, so that the error below them stays visible."""
    words = ['%(prog)s']
    for action in parser._actions:
        name = str(action.metavar or action.dest.upper())
        if not action.option_strings:
            words.append(name)
        elif action.required:
            words.append(f'{action.option_strings[0]} {name}')
    return ' '.join([*words, '[options]'])


class _ShortHelp(argparse.Action):
    """Prints the help without the options that are not common, and exits."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        common: Collection[str],
        help: str | None = None,
    ) -> None:
        super().__init__(
            option_strings, argparse.SUPPRESS, 0, default=argparse.SUPPRESS, help=help
        )
        self._common = {*common, '--help', '--help-all'}

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        hidden = [
            action
            for action in parser._actions
            if action.option_strings and not self._common & set(action.option_strings)
        ]
        for action in hidden:
            action.help = argparse.SUPPRESS
        parser.epilog = f'{len(hidden)} more options: {parser.prog} --help-all'
        parser.print_help()
        parser.exit()
