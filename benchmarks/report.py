"""Write the page of all benchmarks from their JSON files.

python -m benchmarks.report results/speed.json results/node.json --out docs/lab/benchmarks.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import frame_report, layer_report, node_report, speed_report, verifiers_report
from benchmarks.command_line import new_parser
from benchmarks.recall_over_time.other_work import BUSY_SHARE, OTHERS

SECTIONS = {
    'speed': speed_report.section,
    'layers': layer_report.section,
    'frame': frame_report.section,
    'verifiers': verifiers_report.section,
    'node': node_report.section,
}
"""Kind of report -> its section, in the order of the page."""

HEAD = [
    '# Benchmarks',
    '',
    'Written by `make bench`; no number on this page is typed by hand.',
    '',
]


def page(reports: Sequence[dict[str, Any]]) -> str:
    """The text of the page; sections measured on a busy machine begin with a warning."""
    lines = list(HEAD)
    for kind, section in SECTIONS.items():
        for report in reports:
            if report['benchmark'] == kind:
                lines += [*_warning(report), *section(report), '']
    return '\n'.join(lines).rstrip('\n') + '\n'


def _warning(report: dict[str, Any]) -> list[str]:
    if not is_busy(report):
        return []
    return [f'Other processes took {report[OTHERS]:.0%} of the machine before this run.', '']


def is_busy(report: dict[str, Any]) -> bool:
    """Whether other processes took too much of the machine when the benchmark began."""
    return float(report.get(OTHERS, 0.0)) > BUSY_SHARE


def check_quiet(reports: Mapping[Path, dict[str, Any]]) -> None:
    """End the program if a report was measured on a busy machine."""
    busy = [str(path) for path, report in reports.items() if is_busy(report)]
    if busy:
        raise SystemExit(
            f'{", ".join(busy)}: measured while other processes took more than {BUSY_SHARE:.0%} '
            'of the machine; the page is not written. Measure again on an idle machine, or give '
            '--even-if-busy'
        )


def read_report(path: Path) -> dict[str, Any]:
    """A report; ends the program if the file is not a report."""
    report: dict[str, Any] = json.loads(path.read_text())
    if report.get('benchmark') not in SECTIONS:
        found = report.get('benchmark', 'something else')
        raise SystemExit(f'{path}: expected one of {", ".join(SECTIONS)}, found {found}')
    return report


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the files and write the page."""
    parser = new_parser(__doc__)
    parser.add_argument('reports', type=Path, nargs='+', help='JSON files of benchmarks')
    parser.add_argument('--out', type=Path, required=True, help='Markdown file to write')
    parser.add_argument(
        '--even-if-busy', action='store_true', help='accept reports from a busy machine'
    )
    options = parser.parse_args(arguments)
    reports = {path: read_report(path) for path in options.reports}
    if not options.even_if_busy:
        check_quiet(reports)
    options.out.write_text(page(list(reports.values())))


if __name__ == '__main__':
    main()
