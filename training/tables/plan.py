"""The YAML file of a table, and the chain of commands that each of its rows is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.errors import ConfigError
from training.experiment import read_mapping
from training.measure.protocols import PROTOCOLS
from training.papers.published import PublishedTable, published_table

TABLES = Path(__file__).parents[1] / 'configs' / 'tables'

STAGES = ('pretrain', 'distill', 'initialise', 'train', 'whiten')
"""Commands that make weights, in the only order in which they can follow each other."""

BASELINE = 'rootsift'
"""The stage of the baseline without a network; it stands alone."""

SIZES = 'sizes'
"""Kind of a table that counts parameters and multiply-accumulates and trains nothing."""

_KEYS = [
    'name',
    'kind',
    'question',
    'published',
    'base',
    'seeds',
    'protocols',
    'protocols_file',
    'dims',
    'claims',
    'full_size',
    'rows',
]
_ROW_KEYS = ['stages', 'set', 'evaluate', 'published', 'bring']


@dataclass(frozen=True)
class Row:
    """One system of a table.

    Attributes:
        name: as reports call it.
        stages: some of `STAGES`, in their order, or `BASELINE`; none: it cannot be run here.
        changes: `SECTION.KEY=VALUE` each, of the table's base.
        published: its name in the published table; empty: the papers do not have it.
        bring: data or weights that the row needs and that do not come with this project.
        evaluate: further options of `training.evaluate`.
    """

    name: str
    stages: tuple[str, ...]
    changes: tuple[str, ...] = ()
    published: str = ''
    bring: str = ''
    evaluate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """What a table's file says.

    Attributes:
        name: of the table.
        kind: `recall`, or `SIZES`.
        question: what it answers, one sentence.
        published: `PAPER/TABLE` of the figures to print beside ours; empty: none.
        base: experiment that all rows change: one recipe and one budget.
        seeds: each row runs with each of them.
        protocols: names of the evaluation protocols.
        protocols_file: where they are.
        dims: sizes of prefixes of the descriptor; empty: the whole descriptor.
        claims: pairs of rows; the papers say that the first finds at least as much.
        full_size: what a user must bring for the row as it is published.
        rows: in the table's order.
    """

    name: str
    kind: str
    question: str
    published: str
    base: Path
    seeds: tuple[int, ...]
    protocols: tuple[str, ...]
    protocols_file: Path
    dims: tuple[int, ...]
    claims: tuple[tuple[str, str], ...]
    full_size: str
    rows: tuple[Row, ...]

    @property
    def reference(self) -> PublishedTable | None:
        """The published table, if there is one."""
        return published_table(self.published) if self.published else None


def table_names() -> list[str]:
    """Names of the tables that come with this project."""
    return sorted(path.stem for path in TABLES.glob('*.yaml') if 'rows' in read_mapping(path))


def find_table(name: str) -> Path:
    """The file of a table: a path, or a name of `table_names`.

    Raises:
        ConfigError: no such table; the nearest name is given.
    """
    if name.endswith('.yaml'):
        return Path(name)
    known = table_names()
    if name not in known:
        raise ConfigError(f'unknown table {name!r}{nearest_hint(name, known)}')
    return TABLES / f'{name}.yaml'


def read_table(path: Path) -> Table:
    """The table of a YAML file; paths in it are relative to it.

    Raises:
        ConfigError: not readable, an unknown key, row or stage, or something is missing.
    """
    values = read_mapping(path)
    _check_keys(values, _KEYS, str(path))
    kind = values.get('kind', 'recall')
    needed = ('name', 'base', 'rows') if kind == SIZES else ('name', 'base', 'protocols', 'rows')
    missing = [key for key in needed if not values.get(key)]
    if missing:
        raise ConfigError(f'{path}: expected the key {missing[0]!r}, found none; add it')
    rows = tuple(_row(str(name), raw or {}, path, kind) for name, raw in values['rows'].items())
    claims = tuple((str(a), str(b)) for a, b in values.get('claims', ()))
    for name in (name for pair in claims for name in pair):
        if name not in values['rows']:
            raise ConfigError(
                f'{path}: claims: unknown row {name!r}{nearest_hint(name, list(values["rows"]))}'
            )
    return Table(
        name=str(values['name']),
        kind=kind,
        question=' '.join(str(values.get('question', '')).split()),
        published=_checked_reference(values.get('published', ''), rows, path),
        base=path.parent / values['base'],
        seeds=tuple(values.get('seeds', (0, 1, 2))),
        protocols=tuple(values.get('protocols', ())),
        protocols_file=_protocols_file(path, values.get('protocols_file', '')),
        dims=tuple(values.get('dims', ())),
        claims=claims,
        full_size=' '.join(str(values.get('full_size', '')).split()),
        rows=rows,
    )


def _protocols_file(path: Path, named: str) -> Path:
    """The project's own protocols where the table names no file."""
    return path.parent / named if named else PROTOCOLS


def _check_keys(values: Mapping[str, Any], known: list[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise ConfigError(f'{where}: unknown key {key!r}{nearest_hint(str(key), known)}')


def _row(name: str, raw: Mapping[str, Any], path: Path, kind: str) -> Row:
    _check_keys(raw, _ROW_KEYS, f'{path}: row {name!r}')
    stages, bring = tuple(raw.get('stages', ())), str(raw.get('bring', ''))
    is_idle = not stages and (bool(bring) or kind == SIZES)
    if not (_is_chain(stages) or stages == (BASELINE,) or is_idle):
        raise ConfigError(
            f'{path}: row {name!r}: expected stages among {", ".join(STAGES)} in this order, '
            f'{BASELINE} alone (or `bring`, what is missing to run it), found {list(stages)}'
        )
    changes, options = (tuple(map(str, raw.get(key, ()))) for key in ('set', 'evaluate'))
    return Row(name, stages, changes, str(raw.get('published', '')), bring, options)


def _is_chain(stages: Sequence[str]) -> bool:
    """Whether each stage can follow the one before it; at least one."""
    order = [STAGES.index(stage) for stage in stages if stage in STAGES]
    return bool(stages) and len(order) == len(stages) and order == sorted(order)


def _checked_reference(reference: str, rows: tuple[Row, ...], path: Path) -> str:
    """The reference, after a look whether the rows' published names exist there."""
    named = [row.published for row in rows if row.published]
    if not reference and named:
        raise ConfigError(f'{path}: row {named[0]!r} is published, but `published` names no table')
    if reference:
        table = published_table(reference)
        for name in named:
            table.row(next(iter(table.sets)), name)
    return reference
