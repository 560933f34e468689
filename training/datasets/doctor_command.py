"""Check a data set; print each finding in one sentence with the next step.

Checks published counts, missing, duplicate and unreadable images, coordinates, order of lists,
thresholds, positives of the queries, and overlap between train, val and test. Exits with 0 if
there are no problems and with 1 otherwise; notes are not problems.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.replay.output_files import without_nan
from training.datasets.command_options import add_source, data_config
from training.datasets.doctor.checkup import CheckedPart, CheckupConfig, Report, check_up
from training.datasets.doctor.findings import Finding, Severity
from training.datasets.doctor.published_sizes import PUBLISHED_SIZES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_source(parser)
    group = parser.add_argument_group(
        'checks', f'rows of the published counts: {", ".join(PUBLISHED_SIZES)}'
    )
    add_settings(group, CheckupConfig, without=('files',))
    group.add_argument(
        '--no-images', action='store_true', help='check only lists and positions, no image files'
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of text')


def run(args: argparse.Namespace) -> int:
    """Check the data set and print the findings.

    Raises:
        ConfigError: an unknown reference, or settings that contradict each other.
    """
    checkup = config_from(args, CheckupConfig, files=not args.no_images)
    report = check_up(data_config(args), checkup)
    text = json.dumps(as_values(report), indent=2) if args.json else '\n'.join(lines(report))
    sys.stdout.write(text + '\n')
    return 0 if report.is_healthy else 1


def as_values(report: Report) -> dict[str, Any]:
    """The report as plain values for JSON."""
    findings = [
        {'severity': f.severity.value, 'check': f.check, 'set': f.places, 'sentence': f.sentence}
        for f in report.findings
    ]
    sets = {part.places.name: part.figures() for part in report.parts}
    values = {'healthy': report.is_healthy, 'sets': sets, 'findings': findings}
    return dict(without_nan(values))


def lines(report: Report) -> list[str]:
    """The report as text."""
    shown = [_figures(part) for part in report.parts]
    shown += [f'{f.severity.value:<7}  {_with_name(f)}' for f in report.findings]
    problems = sum(f.severity is Severity.PROBLEM for f in report.findings)
    verdict = f'{problems} problem{"s" if problems > 1 else ""}' if problems else 'healthy'
    return [*shown, verdict]


def _with_name(finding: Finding) -> str:
    """The sentence, preceded by the name of its data set."""
    begins = finding.sentence.startswith(f'{finding.places}:')
    return finding.sentence if begins else f'{finding.places}: {finding.sentence}'


def _figures(part: CheckedPart) -> str:
    places, found = part.places, part.positives
    return (
        f'{places.name}: {len(places):,} images, {len(places.queries):,} queries, '
        f'{len(places.database):,} database images; positives within {found.distance_m:g} m: '
        f'{found.least} to {found.most}, median {found.median:g}, {found.without:,} queries '
        'without any'
    )
