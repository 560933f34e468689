"""Calibrate a map on a drive with known positions: probabilities and a threshold.

Writes calibration.json, per_frame.csv and reliability.png, and stores what was learned in the map.
With --from another map's calibration (of the same weights) is taken instead, and checked on the
drive.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.model_options import add_engine_options
from ghost_vpr_ros.cli.odometry import add_odometry_option, known_odometry
from ghost_vpr_ros.cli.options import add_settings, add_where, config_from, where_from
from ghost_vpr_ros.cli.positions import judged_frames, reference_topics
from ghost_vpr_ros.cli.progress import progress_bar, say, say_warnings
from ghost_vpr_ros.cli.sources import opened
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import CalibrationConfig, EvaluationConfig
from ghost_vpr_ros.replay.evaluation.verdicts import accepted_text
from ghost_vpr_ros.replay.output_files import check_writable, output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Frame
    from ghost_vpr_ros.core.probability.calibration import Calibration
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer
    from ghost_vpr_ros.replay.calibration.calibrator import CalibrationRun
    from ghost_vpr_ros.replay.calibration.judged_drive import Elsewhere

_THRESHOLDS = ('min_probability', 'tentative_probability')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('map', metavar='MAP', type=Path, help='the map to calibrate')
    parser.add_argument(
        '--source',
        required=True,
        metavar='DRIVE',
        help='folder, CSV manifest or bag: another drive, through places of the map',
    )
    add_where(parser)
    parser.add_argument(
        '--unknown-source',
        metavar='DRIVE',
        help='folder, CSV manifest or bag of places that the map lacks, examples of unknown ones; '
        'default: the places of each frame are hidden from it',
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', type=Path, help='folder for the report'
    )
    parser.add_argument(
        '--from',
        dest='from_map',
        metavar='MAP',
        type=Path,
        help="take this map's calibration and check it on the drive; nothing is learned",
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='write the report, do not change the map'
    )
    parser.add_argument(
        '--ground-truth', metavar='FILE', help='TUM trajectory, or CSV with stamp and position'
    )
    add_settings(parser, CalibrationConfig)
    add_settings(parser, ImageConfig)
    add_settings(parser, EvaluationConfig, ['positive_distance_m'])
    bags = parser.add_argument_group('bags')
    add_odometry_option(bags)
    add_settings(bags, BagTopics)
    stages = [s.name for s in settings_of(RecognizerConfig) if s.name not in _THRESHOLDS]
    add_settings(parser.add_argument_group('recogniser'), RecognizerConfig, stages)
    add_engine_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Calibrate, write the report, store the result and print the figures."""
    taken = None if args.from_map is None else _calibration_of(args.from_map)
    topics = config_from(args, BagTopics)
    if args.ground_truth is None:
        topics = reference_topics(args.source, topics, args.map)
    frames = judged_frames(args, args.source, topics, where_from(args.where))
    if not args.dry_run:
        check_writable(args.map.parent)
    with output_folder(args.out), _open_recognizer(args) as recognizer:
        result = _run(args, frames, recognizer, taken)
        figures = _write_report(args, recognizer, result)
    if not args.dry_run:
        _store(args.map, result.calibration)
    if args.json:
        print_result(figures, as_json=True)
    else:
        print('\n'.join(calibration_lines(figures)))
        stored = 'not changed' if args.dry_run else 'now calibrated'
        print(f'written to {args.out}; {args.map} is {stored}')
    return 0


def calibration_lines(figures: Mapping[str, Any]) -> list[str]:
    """The result in four lines; `calibration.json` has all of it."""
    learned, accepted = figures['calibration'], figures['accepted']
    ece = [100.0 * figures[name]['weighted'] for name in ('ece_before', 'ece_after')]
    unknown = accepted['num_wrong_at_unknown_places']
    where = f' ({unknown} of them where the map lacks the place)' if unknown else ''
    counts = accepted_text(accepted['num_accepted'], accepted['num_right'], accepted['num_wrong'])
    return [
        f'accepted from probability {learned["min_probability"]:.3f} on, of '
        f'{accepted["num_answers"]} answers {counts}{where}',
        f'precision {100 * accepted["precision"]:.1f} % with {100 * learned["unknown_share"]:g} % '
        f'unknown places (target {100 * learned["stated_precision"]:g} %; at least '
        f'{100 * accepted["precision_lower_bound"]:.1f} % with 95 % certainty)',
        f'recall {100 * accepted["recall"]:.1f} %: share of the images whose place is in the '
        'map that are accepted and right',
        f'calibration error {ece[0]:.1f} % before, {ece[1]:.1f} % now: difference between stated '
        'probabilities and observed shares',
    ]


def _calibration_of(path: Path) -> Calibration:
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    with PlaceMap.open(path) as place_map:
        if place_map.calibration is None:
            raise CalibrationError(
                f'{path}: expected a calibrated map, found one that is not; calibrate it first'
            )
        return place_map.calibration


def _open_recognizer(args: argparse.Namespace) -> PlaceRecognizer:
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer
    from ghost_vpr_ros.replay.descriptors.remembering_engine import RememberingEngine

    engine, config = config_from(args, EngineConfig), config_from(args, RecognizerConfig)
    recognizer = PlaceRecognizer.open(
        args.map, engine=engine, config=config, wrap=RememberingEngine
    )
    say_warnings(recognizer.place_map)
    return recognizer


def _run(
    args: argparse.Namespace,
    frames: Sequence[Frame],
    recognizer: PlaceRecognizer,
    taken: Calibration | None,
) -> CalibrationRun:
    from ghost_vpr_ros.core.map.calibration_table import check_fits
    from ghost_vpr_ros.replay.calibration.calibrator import PASSES, calibrate, check
    from ghost_vpr_ros.replay.calibration.judged_drive import judged_drive

    radius_m = config_from(args, EvaluationConfig).positive_distance_m
    odometry = known_odometry(args.source, args.odometry_topic)
    elsewhere = _elsewhere(args)
    drive = judged_drive(frames, recognizer.place_map, radius_m, odometry, elsewhere)
    if len(drive.frames) < len(frames):
        without = len(frames) - len(drive.frames)
        say(f'warning: {without} of {len(frames)} images lack a position, left out')
    hidden = len(drive.frames) if elsewhere is None else len(elsewhere.frames)
    count = PASSES // 2 * (len(drive.frames) + hidden)
    with progress_bar(count, 'calibrate') as progress:
        if taken is not None:
            check_fits(taken, args.map, recognizer.place_map.model_hash)
            return check(drive, recognizer, taken, progress)
        config = config_from(args, CalibrationConfig)
        searched = [(drive, recognizer)]
        return calibrate(searched, config, radius_m, _drive_name(args), progress)


def _elsewhere(args: argparse.Namespace) -> Elsewhere | None:
    """The drive through places outside the map."""
    from ghost_vpr_ros.replay.calibration.judged_drive import Elsewhere

    if args.unknown_source is None:
        return None
    # Its topics are chosen separately: it may come from another robot.
    topics = BagTopics(position_topic='none')
    frames = opened(args, args.unknown_source, topics=topics).frames
    return Elsewhere(frames, known_odometry(args.unknown_source, ''))


def _drive_name(args: argparse.Namespace) -> str:
    """The source's name without its folder, and the rows that were used."""
    where = (f'{column}={value}' for column, value in args.where)
    return ' '.join([Path(args.source).resolve().name, *where])


def _write_report(
    args: argparse.Namespace, recognizer: PlaceRecognizer, result: CalibrationRun
) -> dict[str, Any]:
    from ghost_vpr_ros.replay.calibration.report import write_calibration_report

    described = {
        'map': str(args.map),
        'source': str(args.source),
        'where': dict(args.where),
        'unknown_source': args.unknown_source,
        'learnt_here': args.from_map is None,
        'recognizer': recognizer.config.to_dict(),
    }
    title = f'{_drive_name(args)} in {args.map.name}'
    return write_calibration_report(result, described, title, args.out)


def _store(path: Path, calibration: Calibration) -> None:
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    with PlaceMap.open(path, writable=True) as place_map:
        place_map.set_calibration(calibration)
