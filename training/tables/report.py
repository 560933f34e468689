"""The report of a table: our figures with spread, the published ones, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.replay.evaluation.plots import png_of
from ghost_vpr_ros.replay.output_files import write_file
from training.papers.published import PublishedTable
from training.tables.plan import Table
from training.tables.verdicts import LEVEL, NOT_TESTED, Results, Verdict, verdicts


def table_report(table: Table, results: Results, command: str) -> dict[str, Any]:
    """Rows of the table, and their Markdown.

    Args:
        table: to report.
        results: of the rows that have been run.
        command: that produced them.
    """
    rows = [_row(name, found) for name, found in results.items()]
    found = verdicts(
        table.claims,
        results,
        parts=table.parts,
        starts={row.name: row.start for row in table.rows if row.start},
        not_tested=table.not_tested,
    )
    parts = [
        f'### {table.name}\n\n{table.question}\n\n    {command}\n',
        _our_table(rows, table.reference),
        _protocol_lines(rows),
        _verdict_table(found),
        _published(table.reference, table),
        _missing(table),
    ]
    return {
        'table': table.name,
        'question': table.question,
        'seeds': list(table.seeds),
        'rows': rows,
        'verdicts': [vars(each) for each in found],
        'markdown': '\n'.join(part for part in parts if part),
    }


def _row(name: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and spread over the seeds of a row, by protocol and size."""
    recall: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(found[0]['rows']):
        same = [each['rows'][number]['recall'] for each in found]
        sizes = recall.setdefault(row['protocol'], {})
        sizes[str(row['descriptor_dim'])] = {
            n: mean_and_spread([each[n] for each in same]) for n in row['recall']
        }
    losses = [each['loss'] for each in found if each['loss'] is not None]
    return {
        'row': name,
        'seeds': [each['seed'] for each in found],
        'recall': recall,
        'protocol_ids': list(dict.fromkeys(row['protocol_id'] for row in found[0]['rows'])),
        'queries': {row['protocol_id']: len(row['right_at_1']) for row in found[0]['rows']},
        'seconds': mean_and_spread([sum(each['seconds'].values()) for each in found]),
        'loss': mean_and_spread(losses, 4) if losses else None,
    }


def mean_and_spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Mean and sample standard deviation (0 for a single value)."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {'mean': round(float(np.mean(values)), digits), 'spread': round(spread, digits)}


def _our_table(rows: Sequence[Mapping[str, Any]], reference: PublishedTable | None) -> str:
    """Recall of each row and size at the paper's N, with the spread over several seeds."""
    if not rows:
        return 'No row has been run here.\n'
    protocols = list(rows[0]['recall'])
    ranks = _ranks(rows[0], reference)
    names = ' / '.join(f'recall@{n}' for n in ranks)
    lines = [
        f'Ours: mean ± sample deviation over seeds of {names} in percent.\n',
        f'| row | D | {" | ".join(protocols)} | seeds | loss | CPU minutes |',
        '|---|--:' + '|---' * len(protocols) + '|--:|---|--:|',
    ]
    for row in rows:
        several = len(row['seeds']) > 1
        loss = _figure(row['loss'], 3, several) if row['loss'] else ''
        minutes = f'{row["seconds"]["mean"] / 60.0:.1f}'
        for size in row['recall'][protocols[0]]:
            cells = [
                ' / '.join(_figure(row['recall'][each][size][n], 1, several) for n in ranks)
                for each in protocols
            ]
            lines.append(
                f'| {row["row"]} | {int(size):,} | {" | ".join(cells)} | {len(row["seeds"])} | '
                f'{loss} | {minutes} |'
            )
    return '\n'.join([*lines, ''])


def _ranks(row: Mapping[str, Any], reference: PublishedTable | None) -> list[str]:
    """N of recall@N: the paper's that were measured; 1 and 5 if there are none."""
    measured = next(iter(next(iter(row['recall'].values())).values()))
    wanted = [n for n in reference.columns if n in measured] if reference else []
    return wanted or ['1', '5']


def _figure(value: Mapping[str, float], digits: int, several: bool) -> str:
    """The mean, with the spread if there are several seeds."""
    mean = f'{value["mean"]:.{digits}f}'
    return f'{mean} ± {value["spread"]:.{digits}f}' if several else mean


def _protocol_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """The ids of the protocols, and their numbers of queries with a positive."""
    if not rows:
        return ''
    counts = [f'`{name}` ({count} queries)' for name, count in rows[0]['queries'].items()]
    return f'Protocols: {", ".join(counts)}.\n'


def _verdict_table(found: Sequence[Verdict]) -> str:
    """The paper's claims and our verdicts, one line per claim."""
    if not found:
        return ''
    protocols = list(dict.fromkeys(each.protocol for each in found))
    claims = dict.fromkeys((each.better, each.worse) for each in found)
    cells = {(each.better, each.worse, each.protocol): _verdict_cell(each) for each in found}
    reasons = dict.fromkeys(each.reason for each in found if each.reason)
    lines = [
        'Claims of the paper: difference of r@1 in points with its 95 % interval (paired '
        'bootstrap over queries and seeds), and verdicts at an error of '
        f"{100 * LEVEL:g} % for the whole table (Holm's correction):\n",
        f'| claim | {" | ".join(protocols)} |',
        '|---' * (len(protocols) + 1) + '|',
        *(
            f'| {a} >= {b} | ' + ' | '.join(cells.get((a, b, p), '') for p in protocols) + ' |'
            for a, b in claims
        ),
        *(f'\n{NOT_TESTED}: {reason}' for reason in reasons),
    ]
    return '\n'.join([*lines, ''])


def _verdict_cell(verdict: Verdict) -> str:
    interval = f'{verdict.low:+.1f} to {verdict.high:+.1f}'
    text = verdict.text if verdict.reason else f'{verdict.text} (p {verdict.p:.2g})'
    return f'{verdict.difference:+.1f} ({interval}), {text}'


def _published(reference: PublishedTable | None, table: Table) -> str:
    """The paper's figures under a separate heading, since data and training differ."""
    if reference is None:
        return ''
    wanted = [row.published for row in table.rows if row.published]
    lines = [
        f'#### Published ({table.published}): {reference.what}\n',
        'Copied from the paper, not measured here; other data, other training, other images.\n',
        f'| row | {" | ".join(f"{name} {_head(reference)}" for name in reference.sets)} |',
        '|---' * (len(reference.sets) + 1) + '|',
    ]
    for name in wanted or list(next(iter(reference.sets.values()))):
        cells = [_printed(reference.row(data_set, name)) for data_set in reference.sets]
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join([*lines, ''])


def _head(reference: PublishedTable) -> str:
    named = [f'r@{column}' if column.isdigit() else column for column in reference.columns]
    return ' / '.join(named)


def _printed(values: Sequence[float | None]) -> str:
    return ' / '.join('?' if value is None else f'{value:g}' for value in values)


def _missing(table: Table) -> str:
    """What a user must provide: for rows that cannot be run here, and for the published size."""
    lines = [f'- {row.name}: {row.bring}' for row in table.rows if row.bring]
    if table.full_size:
        lines.append(f'- at the published size: {table.full_size}')
    return '\n'.join(['To provide:\n', *lines, '']) if lines else ''


BEGIN = '<!-- begin of what training.experiments writes -->'

END = '<!-- end of what training.experiments writes -->'


def update_page(path: Path, reports: Sequence[str]) -> None:
    """Replace the text between the two marks of a page.

    Raises:
        OutputError: the page is missing, lacks a mark, or cannot be written.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise OutputError(f'{path}: not readable ({error.strerror}); name a page') from error
    before, found, rest = text.partition(BEGIN)
    _, also_found, after = rest.partition(END)
    if not (found and also_found):
        raise OutputError(f'{path}: expected the marks {BEGIN!r} and {END!r}; write them into it')
    body = '\n'.join(report.rstrip() + '\n' for report in reports)
    write_file(path, f'{before}{BEGIN}\n\n{body}\n{END}{after}')


_WIDTH_IN, _HEIGHT_IN = 4.0, 3.4

_DPI = 110


def draw_table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG: one panel for each protocol, mean and spread of every row.

    Args:
        rows: of `table_report`.
    """
    protocols = list(rows[0]['recall'])
    size_in = (_WIDTH_IN * len(protocols), _HEIGHT_IN)
    figure = Figure(size_in, _DPI, layout='constrained')
    panels = figure.subplots(1, len(protocols), squeeze=False)[0]
    is_curve = any(len(row['recall'][protocols[0]]) > 1 for row in rows)
    for panel, protocol in zip(panels, protocols, strict=True):
        draw = _draw_curves if is_curve else _draw_bars
        draw(panel, rows, protocol)
        panel.set_title(protocol, fontsize=9)
        panel.grid(alpha=0.3)
    return png_of(figure)


def _draw_curves(panel: Axes, rows: Sequence[Mapping[str, Any]], protocol: str) -> None:
    for row in rows:
        sizes = row['recall'][protocol]
        panel.errorbar(
            [int(size) for size in sizes],
            [each['1']['mean'] for each in sizes.values()],
            [each['1']['spread'] for each in sizes.values()],
            marker='o',
            markersize=3,
            capsize=2,
            label=row['row'],
        )
    panel.set_xscale('log', base=2)
    panel.set_xlabel('descriptor size D')
    panel.set_ylabel('recall@1 (%)')
    panel.legend(fontsize=7)


def _draw_bars(panel: Axes, rows: Sequence[Mapping[str, Any]], protocol: str) -> None:
    names = [row['row'] for row in rows]
    first = [next(iter(row['recall'][protocol].values()))['1'] for row in rows]
    panel.barh(
        names, [each['mean'] for each in first], xerr=[each['spread'] for each in first], capsize=2
    )
    panel.invert_yaxis()
    panel.tick_params(axis='y', labelsize=7)
    panel.set_xlabel('recall@1 (%)')
