"""A column with the coordinate system of a table (`EPSG:32756`) tells what its metres are."""

from __future__ import annotations

import re
from dataclasses import replace

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.cell_values import is_empty, shown
from ghost_vpr_ros.replay.sources.table import Table
from ghost_vpr_ros.replay.sources.utm_grid import is_utm_grid

_OF_DEGREES = re.compile(r'(EPSG[: ]*)?(4326|4979|4258|4269|4283|7844)|WGS ?(19)?84|OGC:CRS84')
"""Systems of latitude and longitude within metres of WGS84."""

_METRES = (('easting', 'northing'), ('x', 'y'))


def with_grid(table: Table) -> Table:
    """The table with its metres read as UTM where such a column names a UTM grid.

    Raises:
        SourceError: another system of metres (Web Mercator, a national grid), or degrees that are
            in columns for metres.
    """
    column = table.meanings.get('crs')
    if column is None or 'utm_zone' in table.meanings:
        return table
    values = {row.cells[column] for row in table.rows if not is_empty(row.cells[column])}
    metres = next((pair for pair in _METRES if set(pair) <= set(table.meanings)), None)
    if metres is None or not values:
        return table
    strange = [value for value in sorted(values) if not is_utm_grid(value)]
    if not strange:
        return _read_as_utm(table, column, metres)
    if any(
        re.search(r'\d{4}', value) or _OF_DEGREES.fullmatch(value.upper()) for value in strange
    ):
        raise SourceError(
            f'{table.path}: the column {column!r} states {shown(strange[0])} for '
            f'{" and ".join(metres)}; expected a UTM grid such as EPSG:32633. Convert the '
            'positions to columns latitude and longitude, for example with cs2cs'
        )
    return table


def _read_as_utm(table: Table, column: str, metres: tuple[str, str]) -> Table:
    kept = {meaning: name for meaning, name in table.meanings.items() if meaning not in metres}
    grid = dict(
        zip(('easting', 'northing'), (table.meanings[name] for name in metres), strict=True)
    )
    # An empty name, which no column has: the meaning may be a column's own name.
    found = {'x': '', 'y': ''} | kept | grid | {'utm_zone': column}
    rows = tuple(replace(row, columns=found) for row in table.rows)
    return replace(table, meanings=found, rows=rows)
