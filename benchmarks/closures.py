"""Reliability of the answers: precision and recall of accepted answers, and their cost.

Searches a second drive of each of several sample towns, the right side of gardens_point, and
images of places outside the map, with each stage off and on. Calibrations are learned on other
towns and on the validation split of gsv_cambridge, never on a drive that is judged. Writes
`closures.json`, `closures.md`, a reliability diagram and pictures of the worst false answers.

    python -m benchmarks.closures --work WORK --data DATA --out OUT

Towns, maps and descriptors are cached in WORK. Uses the shipped weights.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from benchmarks import closure_drives as drives
from benchmarks.closure_answers import WrongAnswer, answers_to, costs, learn
from benchmarks.closure_drives import DriveQueries, Setup
from benchmarks.closure_figures import Outcome, figures, joined
from benchmarks.closure_report import Results, write_report
from benchmarks.closure_variants import CALIBRATIONS, MAP_ALONE, PARTS, SOURCES, VARIANTS
from benchmarks.command_line import add_data_option, new_parser
from ghost_vpr_ros.core.probability.calibration import Calibration
from ghost_vpr_ros.replay.config import CalibrationConfig
from ghost_vpr_ros.replay.output_files import make_output_folder

Calibrations = dict[tuple[str, str], Calibration | None]
"""Names of calibration and variant -> calibration."""


def options() -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    parser.add_argument('--work', type=Path, required=True, help='folder of towns and maps')
    add_data_option(parser)
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    parser.add_argument('--towns', type=int, nargs='+', default=[0, 1, 2, 3, 4])
    parser.add_argument('--calibration-towns', type=int, nargs='+', default=[5, 6, 7])
    parser.add_argument('--only', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument(
        '--precision',
        type=float,
        default=0.995,
        help='target precision of the calibrations',
    )
    chosen = parser.parse_args()
    if min(len(chosen.towns), len(chosen.calibration_towns)) < 2:
        parser.error(
            '--towns and --calibration-towns: expected two or more each, since every town is the '
            'unknown place of another'
        )
    if set(chosen.towns) & set(chosen.calibration_towns):
        parser.error('--towns and --calibration-towns: expected different towns')
    return chosen


def queries_of(part: str, chosen: argparse.Namespace) -> list[DriveQueries]:
    """The drives of a part."""
    if part == 'town':
        return drives.towns_queries(chosen.work, chosen.towns)
    if part == 'gardens':
        return [drives.gardens_queries(chosen.data)]
    return [drives.elsewhere_queries(chosen.data, name) for name in drives.SETS_ELSEWHERE]


def learned(setup: Setup, chosen: argparse.Namespace, config: CalibrationConfig) -> Calibrations:
    """Every calibration that the chosen parts need, for each variant."""
    names = {name for part in chosen.only for name in CALIBRATIONS[part]} - {MAP_ALONE}
    found: Calibrations = {(MAP_ALONE, variant): None for variant in chosen.variants}
    for name in sorted(names):
        sources: list[DriveQueries] = []
        if 'towns' in SOURCES[name]:
            sources += drives.towns_queries(chosen.work, chosen.calibration_towns)
        if 'gsv' in SOURCES[name]:
            sources.append(drives.gsv_val_queries(chosen.data))
        for variant in chosen.variants:
            found[name, variant] = learn(setup, sources, variant, config)
            print(f'learned: {name}, {variant}', flush=True)
    return found


def searched(
    setup: Setup,
    part: str,
    drives_of_part: Sequence[DriveQueries],
    calibrations: Calibrations,
    variants: Sequence[str],
) -> tuple[dict[tuple[str, str], dict[str, Outcome]], dict[tuple[str, str], list[WrongAnswer]]]:
    """Outcomes by drive, and wrong answers, by calibration and variant."""
    outcomes: dict[tuple[str, str], dict[str, Outcome]] = {}
    wrong: dict[tuple[str, str], list[WrongAnswer]] = {}
    for each in drives_of_part:
        for calibration in CALIBRATIONS[part]:
            for variant in variants:
                key = calibration, variant
                outcome, found = answers_to(setup, each, variant, calibrations[key])
                outcomes.setdefault(key, {})[each.name] = outcome
                wrong.setdefault(key, []).extend(found)
                print(f'{each.name}, {calibration}, {variant}: {len(found)} wrong', flush=True)
    return outcomes, wrong


def as_json(
    outcomes: dict[tuple[str, str], dict[str, Outcome]], unknown_share: float
) -> dict[str, Any]:
    """Figures by calibration and variant: of all drives together, and of each."""
    rows: dict[str, Any] = {}
    for (calibration, variant), by_drive in outcomes.items():
        parts = {name: figures(outcome, unknown_share) for name, outcome in by_drive.items()}
        total = figures(joined(list(by_drive.values())), unknown_share)
        rows.setdefault(calibration, {})[variant] = {'all': total, 'by_drive': parts}
    return rows


def main() -> None:
    """Learn, search, judge, write."""
    chosen = options()
    config = CalibrationConfig(precision=chosen.precision)
    make_output_folder(chosen.out)
    setup = Setup(chosen.work)
    calibrations = learned(setup, chosen, config)
    results = Results(
        {
            'weights': setup.model.model_hash,
            'towns': chosen.towns,
            'calibration_towns': chosen.calibration_towns,
            'stated_precision': config.precision,
            'unknown_share': config.unknown_share,
            'variants': {name: VARIANTS[name] for name in chosen.variants},
            'calibrations': {
                f'{name}, {variant}': asdict(each)
                for (name, variant), each in calibrations.items()
                if each is not None
            },
        }
    )
    timed = drives.towns_queries(chosen.work, chosen.towns)[0]
    results.described['costs'] = {
        **costs(setup, timed),
        'threads_of_opencv': cv2.getNumThreads(),
        'load': os.getloadavg()[0],
    }
    for part in chosen.only:
        found_drives = queries_of(part, chosen)
        outcomes, wrong = searched(setup, part, found_drives, calibrations, chosen.variants)
        results.add(part, outcomes, wrong, as_json(outcomes, config.unknown_share))
        # Written after each part, so that no result is lost if a later part fails.
        print(write_report(results, config.unknown_share, chosen.out), flush=True)


if __name__ == '__main__':
    main()
