"""Published image counts of the field's benchmarks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.errors import ConfigError


@dataclass(frozen=True)
class PublishedSize:
    """Counts of one data set.

    Attributes:
        database: number of database images.
        queries: number of queries.
        positive_distance_m: answers within this distance are right.
        hint: the most frequent cause of other counts.
    """

    database: int
    queries: int
    positive_distance_m: float = 25.0
    hint: str = ''


_WHOLE_TOKYO = (
    'the set has 1,125 photos, of which the papers use 315 as queries (their subset, version 2)'
)

PUBLISHED_SIZES = {
    'pitts250k_train': PublishedSize(91_464, 7_824),
    'pitts250k_val': PublishedSize(78_648, 7_608),
    'pitts250k_test': PublishedSize(83_952, 8_280),
    'pitts30k_train': PublishedSize(10_000, 7_416),
    'pitts30k_val': PublishedSize(10_000, 7_608),
    'pitts30k_test': PublishedSize(10_000, 6_816),
    'tokyotm_train': PublishedSize(49_104, 7_277),
    'tokyotm_val': PublishedSize(49_056, 7_186),
    'tokyo247': PublishedSize(75_984, 315, hint=_WHOLE_TOKYO),
}
"""NetVLAD (journal version), Table 1; the distance is that of its Section 6.1."""

NO_REFERENCE = 'none'
"""Instead of a row's name: compare with no row."""


def resolved_reference(requested: str | None, name: str) -> str | None:
    """The row to compare with: the requested one, or else the row of the data set's name.

    Raises:
        ConfigError: the requested row is not in the table; the nearest name is given.
    """
    if requested is None:
        return reference_of(name)
    if requested == NO_REFERENCE:
        return None
    if requested not in PUBLISHED_SIZES:
        hint = nearest_hint(requested, [*PUBLISHED_SIZES, NO_REFERENCE])
        raise ConfigError(f'reference: no published counts of {requested!r}{hint}')
    return requested


def reference_of(name: str) -> str | None:
    """The row that matches a data set's name, such as `Pitts30k test` or `pitts30k_test`."""
    letters = re.sub(r'[^a-z0-9]', '', name.lower())
    for reference in PUBLISHED_SIZES:
        if all(part in letters for part in reference.split('_')):
            return reference
    return None


def equal_reference(database: int, queries: int) -> str | None:
    """The row with exactly these counts."""
    for name, size in PUBLISHED_SIZES.items():
        if (size.database, size.queries) == (database, queries):
            return name
    return None
