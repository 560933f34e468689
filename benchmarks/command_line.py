"""Options and output that several benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add `--data`."""
    parser.add_argument(
        '--data',
        type=Path,
        default=os.environ.get('GHOST_VPR_DATA'),
        help='folder of the data sets (default: GHOST_VPR_DATA)',
    )


def write_report(path: Path, report: Mapping[str, object]) -> None:
    """Write what `benchmarks.report` makes its page of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + '\n')
