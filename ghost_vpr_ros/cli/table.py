"""Results as an aligned text table or as JSON, with the same values."""

from __future__ import annotations

import argparse
import json
import math
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ghost_vpr_ros.replay.output_files import without_nan

_NAMED_BY_USERS = ('sessions',)
"""Groups with entries named by users."""

_BRIEF = 100


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')


def add_table_or_json_option(parser: argparse.ArgumentParser) -> None:
    """Add `--json` and `--no-json`; `is_table` reads them."""
    parser.add_argument(
        '--json',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='print JSON lines, or with --no-json a table; default: a table on a terminal',
    )


def is_table(args: argparse.Namespace) -> bool:
    """Whether to print a table, not JSON: unless an option decides, on a terminal only."""
    return sys.stdout.isatty() if args.json is None else not args.json


def print_result(values: Mapping[str, Any], as_json: bool) -> None:
    """Print named values, nested ones indented; or all of them as one JSON object."""
    if as_json:
        print(json.dumps(without_nan(dict(values)), indent=2, ensure_ascii=False))
    else:
        print('\n'.join(table_lines(values)))


def table_lines(
    values: Mapping[str, Any], indent: str = '', *, has_own_names: bool = False
) -> list[str]:
    """Lines of name and value, the values of one level aligned.

    Args:
        values: of one level; nested ones are indented.
        indent: before each line.
        has_own_names: whether the names are a user's, which are shown unchanged.
    """
    titles = {name: str(name) if has_own_names else _title(name) for name in values}
    width = max(map(len, titles.values()), default=0)
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            own = name in _NAMED_BY_USERS
            lines += [indent + titles[name]]
            lines += table_lines(value, indent + '  ', has_own_names=own)
        else:
            shown = f'{value:.7f}' if _is_degrees(name, value) else _shown(value)
            lines.append(f'{indent}{titles[name]:<{width}}  {shown}'.rstrip())
    return lines


def brief(text: str) -> str:
    """The start of a long text; `ghost-vpr info` and JSON show all of it."""
    return textwrap.shorten(text, _BRIEF, placeholder=' …')


def _is_degrees(name: str, value: Any) -> bool:
    """A latitude or a longitude with enough digits: four would be kilometres."""
    return isinstance(value, float) and name in ('latitude_deg', 'longitude_deg')


def figure_rows(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of a table with a header, the columns aligned to the right but the first."""
    cells = [list(header), *[[_shown(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return [
        row[0].ljust(widths[0])
        + ''.join(
            f'  {cell.rjust(width)}' for cell, width in zip(row[1:], widths[1:], strict=True)
        )
        for row in cells
    ]


def _title(name: str) -> str:
    return str(name).replace('_', ' ')


def _shown(value: Any) -> str:
    if value is None or value == {} or (isinstance(value, float) and math.isnan(value)):
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return f'{value:.4g}' if abs(value) < 1e4 else f'{value:.0f}'
    if isinstance(value, list | tuple):
        return ', '.join(map(_shown, value)) or '-'
    return str(value)
