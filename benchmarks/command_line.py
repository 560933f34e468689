"""Options and output shared by several benchmarks."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark; its description keeps its line breaks."""
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
    benchmark: str, figures: Mapping[str, Any], module: str, arguments: Sequence[str] | None
) -> dict[str, Any]:
    """A report for `benchmarks.report`: the figures, the machine and the command."""
    command = ' '.join([f'python -m {module}', *words_of(arguments)])
    return {
        'benchmark': benchmark,
        'machine': describe_machine(),
        **figures,
        'command': command,
    }


def words_of(arguments: Sequence[str] | None) -> list[str]:
    """The given arguments, or those of the command line."""
    return sys.argv[1:] if arguments is None else list(arguments)


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + '\n')
