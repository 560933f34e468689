"""Results as an aligned text table or as JSON: the same values in both."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ghost_vpr_ros.replay.output_files import without_nan


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')


def print_result(values: Mapping[str, Any], as_json: bool) -> None:
    """Print named values, nested ones indented; or all of them as one JSON object."""
    if as_json:
        print(json.dumps(without_nan(dict(values)), indent=2, ensure_ascii=False))
    else:
        print('\n'.join(table_lines(values)))


def table_lines(values: Mapping[str, Any], indent: str = '') -> list[str]:
    """Lines of name and value, the values of one level aligned."""
    width = max((len(_title(name)) for name in values), default=0)
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [indent + _title(name), *table_lines(value, indent + '  ')]
        else:
            lines.append(f'{indent}{_title(name):<{width}}  {_shown(value)}'.rstrip())
    return lines


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
    if value is None or value == {}:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return f'{value:.4g}' if abs(value) < 1e4 else f'{value:.0f}'
    if isinstance(value, list | tuple):
        return ', '.join(map(_shown, value)) or '-'
    return str(value)
