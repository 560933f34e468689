"""The papers' tables as data, read from the YAML files in this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.errors import ConfigError

FOLDER = Path(__file__).parent
PAPERS = tuple(sorted(path.stem for path in FOLDER.glob('*.yaml')))

ItemT = TypeVar('ItemT')


@dataclass(frozen=True)
class PublishedTable:
    """One table or figure, as printed.

    Attributes:
        paper: stem of its file.
        name: of the table.
        what: description of its figures, one sentence.
        columns: N of recall@N, or names of other quantities.
        decimals: of printed recalls; 0: the figures are not recalls.
        sets: data set -> row -> one figure per column, None if unknown.
    """

    paper: str
    name: str
    what: str
    columns: tuple[str, ...]
    decimals: int
    sets: Mapping[str, Mapping[str, Sequence[float | None]]]

    def row(self, data_set: str, row: str) -> Sequence[float | None]:
        """The figures of one row on one data set.

        Raises:
            ConfigError: no such data set or row.
        """
        where = f'{self.paper}/{self.name}'
        return _named(_named(self.sets, data_set, where), row, where)


def _named(items: Mapping[str, ItemT], name: str, where: str) -> ItemT:
    """The item with this name.

    Raises:
        ConfigError: there is none; the message suggests the nearest name.
    """
    if name not in items:
        raise ConfigError(f'{where}: unknown {name!r}{nearest_hint(name, list(items))}')
    return items[name]


@cache
def read_paper(paper: str) -> dict[str, Any]:
    """The content of a paper's file.

    Raises:
        ConfigError: no such paper.
    """
    path = _named({name: FOLDER / f'{name}.yaml' for name in PAPERS}, paper, 'papers')
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    return values


def published_tables(paper: str) -> dict[str, PublishedTable]:
    """All tables of a paper by name.

    Raises:
        ConfigError: no such paper.
    """
    return {
        name: PublishedTable(
            paper,
            name,
            table['what'],
            tuple(table['columns']),
            table.get('decimals', 0),
            table['sets'],
        )
        for name, table in read_paper(paper)['tables'].items()
    }


def published_table(reference: str) -> PublishedTable:
    """The table `PAPER/TABLE`.

    Raises:
        ConfigError: no such paper or table.
    """
    paper, _, name = reference.partition('/')
    return _named(published_tables(paper), name, paper)
