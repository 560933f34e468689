"""Options and output that several benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark, whose description keeps its lines."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add `--data`."""
    parser.add_argument(
        '--data',
        type=Path,
        default=os.environ.get('GHOST_VPR_DATA'),
        help='folder of the data sets (default: GHOST_VPR_DATA)',
    )


def new_report(
    benchmark: str, figures: Mapping[str, Any], module: str, words: Sequence[str]
) -> dict[str, Any]:
    """What `benchmarks.report` makes its page of: the figures, the machine and the command."""
    command = ' '.join([f'python -m {module}', *words])
    return {
        'benchmark': benchmark,
        'machine': describe_machine(),
        **figures,
        'command': command,
    }


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + '\n')
