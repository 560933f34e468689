"""Run a table of the papers or a study: every row with several seeds and the same recipe.

python -m training.experiments                      # list the tables
python -m training.experiments TABLE [...] --out FOLDER [--rows ROW ...] [--seeds N ...]
python -m training.experiments TABLE [...] --out FOLDER --full-size [--rows ROW ...]
python -m training.experiments TABLE [...] --out FOLDER --finished --page docs/PAGE.md

A table is a YAML file in training/configs/tables, or any path that ends in .yaml. Results of
stages are in FOLDER/stages, named by a digest of their inputs: finished stages are reused,
interrupted ones continue, and tables share common stages. Each table produces a report as JSON
and Markdown, and a picture.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.output_files import write_file, write_json
from training.entry import finish, new_parser
from training.evaluate import DATA_VARIABLE
from training.tables.network_sizes import sizes_report
from training.tables.plan import (
    FULL_SIZE,
    SIZES,
    PlanRow,
    Table,
    find_table,
    full_size,
    read_table,
    table_names,
)
from training.tables.report import draw_table, table_report, update_page
from training.tables.row_runs import DONE_NAME, Stage, print_progress, result_of, stages_of


def run_table(
    table: Table,
    out: Path,
    rows: Sequence[PlanRow],
    seeds: Sequence[int],
    *,
    finished: bool = False,
) -> dict[str, Any]:
    """Run all unfinished rows and report all rows.

    Args:
        table: to run.
        out: folder of all stages.
        rows: rows of the table to run.
        seeds: to run, in this order, so that all rows of an interrupted table have the same seeds.
        finished: only report finished rows, run nothing.

    Raises:
        SourceError: a command of a row failed; the message names its log.
    """
    small = table.name.removesuffix(FULL_SIZE)
    more = '' if small == table.name else ' --full-size'
    command = f'python -m training.experiments {small} --out OUT{more}'
    if table.kind == SIZES:
        return sizes_report(table, command)
    results: dict[str, list[dict[str, Any]]] = {row.name: [] for row in rows if row.stages}
    jobs = [(seed, row) for seed in seeds for row in rows if row.stages]
    for number, (seed, row) in enumerate(jobs, 1):
        stages = stages_of(table, row, seed, out)
        if finished and not _is_done(stages):
            continue
        print_progress(f'{table.name} {number}/{len(jobs)}: {row.name}, seed {seed}')
        results[row.name].append(result_of(stages, seed))
    return table_report(table, {name: found for name, found in results.items() if found}, command)


def _is_done(stages: Sequence[Stage]) -> bool:
    return all((stage.folder / DONE_NAME).exists() for stage in stages)


def _chosen_rows(table: Table, names: Sequence[str]) -> list[PlanRow]:
    known = {row.name: row for row in table.rows}
    for name in names:
        if name not in known:
            raise ConfigError(
                f'table {table.name}: unknown row {name!r}{nearest_hint(name, list(known))}'
            )
    return [known[name] for name in names or known]


def _write(report: dict[str, Any], out: Path) -> None:
    name = report['table']
    write_json(out / f'{name}.json', report)
    write_file(out / f'{name}.md', report['markdown'])
    if report['rows'] and 'recall' in report['rows'][0]:
        write_file(out / f'{name}.png', draw_table(report['rows']))


def _run(args: argparse.Namespace) -> str:
    if not args.tables:
        return ''.join(f'{name}\n' for name in table_names())
    if args.out is None:
        raise ConfigError('--out: expected a folder for the results, found none')
    reports = []
    for name in args.tables:
        table = read_table(find_table(name))
        if args.full_size:
            table = full_size(table)
        rows = _chosen_rows(table, args.rows)
        seeds = args.seeds or table.seeds
        report = run_table(table, args.out, rows, seeds, finished=args.finished)
        _write(report, args.out)
        reports.append(report)
    if args.page is not None:
        update_page(args.page, [report['markdown'] for report in reports])
    return '\n'.join(report['markdown'] for report in reports)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('experiments', __doc__)
    parser.add_argument('tables', nargs='*', metavar='TABLE', help='name or YAML file')
    parser.add_argument('--out', type=Path, help='folder of all results')
    parser.add_argument('--rows', nargs='+', default=[], metavar='ROW', help='only these rows')
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[], help="these seeds; default: the table's"
    )
    parser.add_argument(
        '--full-size', action='store_true', help="use the papers' data, sizes and recipes"
    )
    parser.add_argument('--finished', action='store_true', help='report only, run nothing')
    parser.add_argument('--page', type=Path, help='Markdown page to replace the marked part of')
    parser.add_argument('--data', type=Path, help=f'value of ${DATA_VARIABLE}')
    args = parser.parse_args(arguments)
    if args.data is not None:
        os.environ[DATA_VARIABLE] = str(args.data)
    return finish('experiments', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
