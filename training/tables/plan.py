"""The YAML file of a table, and the chain of training stages of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.config.settings import check_keys, nearest_hint
from ghost_vpr_ros.core.errors import ConfigError
from training.experiment import read_mapping
from training.measure.protocols import PROTOCOLS, panel_parts
from training.papers.published import PublishedTable, published_table

CONFIGS = Path(__file__).parents[1] / 'configs'

TABLES = CONFIGS / 'tables'

STAGES = ('pretrain', 'distill', 'initialise', 'train', 'whiten', 'refine')
"""Commands that produce weights, in the only possible order."""

BASELINE = 'rootsift'
"""The only stage of the baseline without a network."""

FULL_SIZE = '-full'
"""Suffix of the name of a table at its published size."""

SIZES = 'sizes'
"""Kind of a table that counts parameters and multiply-accumulates, without training."""

_FULL_KEYS = ['stages', 'protocols', 'protocols_file', 'seeds']


@dataclass(frozen=True)
class PlanRow:
    """One system of a table.

    Attributes:
        name: in reports.
        stages: some of `STAGES`, in their order, or `BASELINE`; empty: it cannot be run here.
        changes: changes of the table's base, each `SECTION.KEY=VALUE`.
        published: its name in the published table; empty: not published.
        bring: data or weights that the row needs and that are not part of this project.
        evaluate: further options of `training.evaluate`.
        dims: sizes of prefixes of its descriptor, instead of the table's.
        system: name of its configuration at the published size; empty: none.
        full_stages: stages at that size, instead of the table's.
        base: experiment instead of the table's; None: the table's.
        start: row without training, which this row must exceed for its claims to be tested.
    """

    name: str
    stages: tuple[str, ...]
    changes: tuple[str, ...] = ()
    published: str = ''
    bring: str = ''
    evaluate: tuple[str, ...] = ()
    start: str = ''
    dims: tuple[int, ...] = ()
    system: str = ''
    full_stages: tuple[str, ...] = ()
    base: Path | None = None


@dataclass(frozen=True)
class Table:
    """The content of a table's file.

    Attributes:
        name: of the table.
        kind: `recall`, or `SIZES`.
        question: of the table, one sentence.
        published: `PAPER/TABLE` of the published figures for comparison; empty: none.
        base: experiment of all rows, with one recipe and one budget.
        seeds: of every row.
        protocols: names of the evaluation protocols.
        protocols_file: YAML file of the protocols.
        dims: sizes of prefixes of the descriptor; empty: the whole descriptor.
        claims: pairs of rows; according to the papers the first has at least equal recall.
        full_size: what a user must provide for the published size.
        not_tested: why its settings cannot test the claims; empty: they can.
        full: stages, protocols and seeds at the published size; empty: it has none.
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
    not_tested: str
    full: Mapping[str, Any]
    rows: tuple[PlanRow, ...]

    @property
    def reference(self) -> PublishedTable | None:
        """The published table, if there is one."""
        return published_table(self.published) if self.published else None

    @property
    def parts(self) -> dict[str, list[str]] | None:
        """Part of the panel -> its protocols; None if the table does not use the whole panel.

        Raises:
            ConfigError: the file of the panel cannot be read.
        """
        found = panel_parts(self.protocols_file)
        named = {name for names in (found or {}).values() for name in names}
        return found if named <= set(self.protocols) else None


def table_names() -> list[str]:
    """Names of this project's tables."""
    return sorted(path.stem for path in TABLES.glob('*.yaml') if 'rows' in read_mapping(path))


def find_table(name: str) -> Path:
    """The file of a table: a path, or a name of `table_names`.

    Raises:
        ConfigError: no such table; the message suggests the nearest name.
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
    check_keys(values, [each.name for each in fields(Table)], str(path))
    kind = values.get('kind', 'recall')
    needed = ('name', 'base', 'rows') if kind == SIZES else ('name', 'base', 'protocols', 'rows')
    named_file = values.get('protocols_file')
    file = path.parent / named_file if named_file else PROTOCOLS
    parts = panel_parts(file) if kind != SIZES and file.exists() else None
    if parts is not None:
        values.setdefault('protocols', [name for names in parts.values() for name in names])
    missing = [key for key in needed if not values.get(key)]
    if missing:
        raise ConfigError(f'{path}: expected the key {missing[0]!r}, found none; add it')
    rows = tuple(_row(str(name), raw or {}, path, kind) for name, raw in values['rows'].items())
    claims = tuple((str(a), str(b)) for a, b in values.get('claims', ()))
    named = {'claims': [name for pair in claims for name in pair]}
    named['start'] = [row.start for row in rows if row.start]
    for key, name in ((key, name) for key, names in named.items() for name in names):
        if name not in values['rows']:
            raise ConfigError(
                f'{path}: {key}: unknown row {name!r}{nearest_hint(name, list(values["rows"]))}'
            )
    return Table(
        name=str(values['name']),
        kind=kind,
        question=' '.join(str(values.get('question', '')).split()),
        published=_checked_reference(values.get('published', ''), rows, path),
        base=path.parent / values['base'],
        seeds=tuple(values.get('seeds', (0, 1, 2))),
        protocols=tuple(values.get('protocols', ())),
        protocols_file=file,
        dims=tuple(values.get('dims', ())),
        claims=claims,
        full_size=' '.join(str(values.get('full_size', '')).split()),
        not_tested=' '.join(str(values.get('not_tested', '')).split()),
        full=_full(values.get('full') or {}, path),
        rows=rows,
    )


def full_size(table: Table) -> Table:
    """The table at its published size: each row uses the configuration of its system.

    Changes of the small size are dropped; options of the evaluation are kept. Rows without a
    system, and claims about them, are left out.

    Raises:
        ConfigError: the table has no published size.
    """
    if not table.full:
        raise ConfigError(
            f'table {table.name}: expected the key `full` for --full-size, found none; '
            f'{table.full_size or "run it without --full-size"}'
        )
    rows = tuple(
        replace(
            row,
            stages=row.full_stages or tuple(table.full['stages']),
            changes=(),
            start='',
            dims=(),
            base=CONFIGS / f'{row.system}.yaml',
        )
        for row in table.rows
        if row.system
    )
    names = {row.name for row in rows}
    return replace(
        table,
        name=table.name + FULL_SIZE,
        seeds=tuple(table.full.get('seeds', (0,))),
        protocols=tuple(table.full['protocols']),
        protocols_file=table.base.parent / table.full['protocols_file'],
        dims=(),
        claims=tuple(pair for pair in table.claims if set(pair) <= names),
        not_tested='',
        rows=rows,
    )


def _full(raw: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The settings of the published size, checked.

    Raises:
        ConfigError: an unknown key, a missing key, or stages in a wrong order.
    """
    check_keys(raw, _FULL_KEYS, f'{path}: full')
    for key in ('stages', 'protocols', 'protocols_file') if raw else ():
        if not raw.get(key):
            raise ConfigError(f'{path}: full: expected the key {key!r}, found none; add it')
    if raw and not _is_chain(raw['stages']):
        raise ConfigError(
            f'{path}: full: expected stages among {", ".join(STAGES)} in this order, found '
            f'{raw["stages"]}'
        )
    return raw


def _row(name: str, raw: Mapping[str, Any], path: Path, kind: str) -> PlanRow:
    own = [each.name for each in fields(PlanRow) if each.name not in ('name', 'changes', 'base')]
    check_keys(raw, ['set', *own], f'{path}: row {name!r}')
    stages, bring = tuple(raw.get('stages', ())), str(raw.get('bring', ''))
    is_idle = not stages and (bool(bring) or kind == SIZES)
    if not (_is_chain(stages) or stages == (BASELINE,) or is_idle):
        raise ConfigError(
            f'{path}: row {name!r}: expected stages among {", ".join(STAGES)} in this order, '
            f'{BASELINE} alone (or `bring`, what is missing to run it), found {list(stages)}'
        )
    changes, options = (tuple(map(str, raw.get(key, ()))) for key in ('set', 'evaluate'))
    published, start = (str(raw.get(key, '')) for key in ('published', 'start'))
    dims = tuple(raw.get('dims', ()))
    full_stages = tuple(raw.get('full_stages', ()))
    if full_stages and not _is_chain(full_stages):
        raise ConfigError(
            f'{path}: row {name!r}: full_stages: expected some of {", ".join(STAGES)} in this '
            f'order, found {list(full_stages)}'
        )
    system = str(raw.get('system', ''))
    if system and not (CONFIGS / f'{system}.yaml').is_file():
        known = sorted(each.stem for each in CONFIGS.glob('*.yaml'))
        raise ConfigError(
            f'{path}: row {name!r}: unknown system {system!r}{nearest_hint(system, known)}'
        )
    return PlanRow(
        name, stages, changes, published, bring, options, start, dims, system, full_stages
    )


def _is_chain(stages: Sequence[str]) -> bool:
    """Whether there is at least one stage, and all are in the order of `STAGES`."""
    order = [STAGES.index(stage) for stage in stages if stage in STAGES]
    return bool(stages) and len(order) == len(stages) and order == sorted(order)


def _checked_reference(reference: str, rows: tuple[PlanRow, ...], path: Path) -> str:
    """The reference, after checking that it has the rows' published names."""
    named = [row.published for row in rows if row.published]
    if not reference and named:
        raise ConfigError(f'{path}: row {named[0]!r} is published, but `published` names no table')
    if reference:
        table = published_table(reference)
        for name in named:
            table.row(next(iter(table.sets)), name)
    return reference
