"""The page of all benchmarks, from the JSON files that they left.

python -m benchmarks.report results/speed.json results/node.json --out docs/lab/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import frame_report, layer_report, node_report, speed_report

SECTIONS = {
    'speed': speed_report.section,
    'layers': layer_report.section,
    'frame': frame_report.section,
    'node': node_report.section,
}
"""Kind of a results file -> its section; in the order of the page."""

HEAD = [
    '# Benchmarks',
    '',
    'Written by `make bench`; no number on this page is typed by hand.',
    '',
]


def page(reports: Sequence[dict[str, Any]]) -> str:
    """The text of the page."""
    lines = list(HEAD)
    for kind, section in SECTIONS.items():
        for report in reports:
            if report['benchmark'] == kind:
                lines += [*section(report), '']
    return '\n'.join(lines).rstrip('\n') + '\n'


def read_report(path: Path) -> dict[str, Any]:
    """A report; ends the program where the file is none."""
    report: dict[str, Any] = json.loads(path.read_text())
    if report.get('benchmark') not in SECTIONS:
        found = report.get('benchmark', 'something else')
        raise SystemExit(f'{path}: expected one of {", ".join(SECTIONS)}, found {found}')
    return report


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the files and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('reports', type=Path, nargs='+', help='JSON files of benchmarks')
    parser.add_argument('--out', type=Path, required=True, help='Markdown file to write')
    options = parser.parse_args(arguments)
    options.out.write_text(page([read_report(path) for path in options.reports]))


if __name__ == '__main__':
    main()
