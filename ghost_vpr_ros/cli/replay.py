"""Replay a bag through the recogniser without ROS: every frame, in order.

An existing map answers (--mode localize), a new one is made from the drive and closes loops
with its past (map), or a further drive joins the map (localize_and_map).
Writes report.html, a summary page; per_query.csv (equal in every run), metrics.json, a sheet of
matches and, where the truth is known, curves, the worst failures and a top-down map. The truth
comes from a topic of the bag or from a file.
With --pose-graph the accepted answers correct the drift of odometry; pose_graph.json, poses.csv
and a picture of the trajectories show by how much.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.closure_files import check_export, export_and_write
from ghost_vpr_ros.cli.evaluate import describe_model, recall_lines
from ghost_vpr_ros.cli.model_options import add_engine_options
from ghost_vpr_ros.cli.odometry import add_odometry_option, known_odometry
from ghost_vpr_ros.cli.older_files import files_in, report_older_files
from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.pose_graph import (
    add_pose_graph_options,
    check_pose_graph,
    odometry_tracks,
    pose_graph_and_write,
    pose_graph_lines,
)
from ghost_vpr_ros.cli.positions import judged_frames, reference_text, reference_topics
from ghost_vpr_ros.cli.progress import progress_bar, say, say_warnings
from ghost_vpr_ros.cli.table import add_json_option, print_result, table_lines
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.export import ExportConfig
from ghost_vpr_ros.core.config.map import MODES, MapConfig, MappingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.stamps import Order, orders_of
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import EvaluationConfig
from ghost_vpr_ros.replay.evaluation.verdicts import replay_verdict
from ghost_vpr_ros.replay.output_files import output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Frame, Pose
    from ghost_vpr_ros.core.map.reader import MapReader
    from ghost_vpr_ros.core.recognition.odometry import StampedMemory
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer
    from ghost_vpr_ros.replay.evaluation.evaluator import Evaluation
    from ghost_vpr_ros.replay.evaluation.replayer import Answer

COMMON_OPTIONS = (
    *('--map', '--mode', '--out', '--model', '--ground-truth', '--position-topic'),
    *('--image-topic', '--odometry-topic', '--positive-distance-m', '--min-probability'),
    *('--top-k', '--session', '--export', '--pose-graph', '--engine', '--device', '--json'),
)
"""Shown by `--help`; the others by `--help-all`."""

_EVALUATION_SETTINGS = ('positive_distance_m', 'sheet_rows')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('bag', metavar='BAG', help='bag of ROS 1 or ROS 2')
    parser.add_argument(
        '--map',
        required=True,
        type=Path,
        help='map to search (or the address of a shared map), or the file of a new one',
    )
    parser.add_argument(
        '--mode',
        choices=MODES,
        default=MODES[0],
        help='localize: the map answers; map: a new map is made, and loops are closed with the '
        'own past; localize_and_map: both, as a further session (default localize)',
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', type=Path, help='folder for the results'
    )
    parser.add_argument(
        '--model',
        metavar='WEIGHTS',
        help="weights; default: the map's own, and those of this package for a new map",
    )
    truth = parser.add_mutually_exclusive_group()
    truth.add_argument(
        '--ground-truth', metavar='FILE', help='TUM trajectory, or CSV with stamp and position'
    )
    truth.add_argument(
        '--position-topic',
        '--ground-truth-topic',
        metavar='TOPIC',
        dest='position_topic',
        help='positions of the bag; default: its only fix, pose or odometry topic; none: no truth',
    )
    bag_settings = [s.name for s in settings_of(BagTopics) if s.name != 'position_topic']
    bag = parser.add_argument_group('bag')
    add_odometry_option(bag)
    add_settings(bag, BagTopics, bag_settings)
    add_settings(parser.add_argument_group('judgement'), EvaluationConfig, _EVALUATION_SETTINGS)
    add_settings(parser.add_argument_group('recogniser'), RecognizerConfig)
    mapping = parser.add_argument_group('with --mode map or localize_and_map')
    add_settings(mapping, MappingConfig)
    add_settings(mapping, MapConfig)
    add_settings(parser, ExportConfig)
    add_pose_graph_options(parser)
    add_engine_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Replay, write the files and print the figures."""
    from ghost_vpr_ros.replay.evaluation.replayer import why_unjudged

    check_pose_graph(args)
    for settings in (RecognizerConfig, MappingConfig, MapConfig, EvaluationConfig):
        config_from(args, settings)
    check_export(args)
    is_named = (args.ground_truth or args.position_topic) is not None
    args.position_topic = _reference(args).position_topic or None
    # A pose graph needs ascending stamps; else everything is as for the node.
    frames = judged_frames(
        args,
        args.bag,
        config_from(args, BagTopics),
        as_recorded=not args.pose_graph,
    )
    _report_order(frames)
    with output_folder(args.out), _open(args) as recognizer:
        before = files_in(args.out)
        reason = why_unjudged(frames, recognizer.place_map, is_named=is_named)
        if reason and is_named:
            raise SourceError(reason)
        metrics = replay_and_write(args, frames, recognizer, reason)
    if args.json:
        print_result(metrics, as_json=True)
    else:
        print('\n'.join(replay_lines(metrics)))
        exported = ''.join(f', {name}' for name in metrics.get('exported', ()))
        print(f'\nwritten to {args.out}: report.html, per_query.csv, metrics.json{exported}')
    report_older_files(args.out, before)
    return 0


def _report_order(frames: Sequence[Frame]) -> None:
    """Print the number of images out of order, and of clock resets."""
    from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS

    stamps = [f.stamp_ns for f in frames if f.stamp_ns != UNKNOWN_STAMP_NS]
    orders = Counter(orders_of(stamps))
    if orders[Order.LATE]:
        say(
            f'note: {orders[Order.LATE]} of {len(frames)} images are late (not newer than one '
            'before them, or without a stamp); each is judged on its own and not kept'
        )
    if orders[Order.RETURN]:
        say(
            f'note: {orders[Order.RETURN]} of {len(frames)} images are stamped a second or more '
            'ahead of the next one, which counts as wrong'
        )
    if orders[Order.JUMP]:
        say(f'note: the clock is set back {orders[Order.JUMP]} times; each time starts over')


def _report_unusable(answers: Sequence[Answer]) -> None:
    """Print how many images were unusable, and the reason of the first."""
    why = [answer.hypothesis.detail for answer in answers if answer.hypothesis.detail]
    if why:
        say(f'warning: {len(why)} of {len(answers)} images are unusable; the first one: {why[0]}')


def _report_own_images(answers: Sequence[Answer]) -> None:
    """Warn if a drive is searched in a map of the same images."""
    from ghost_vpr_ros.replay.calibration.calibrator import SAME_IMAGE

    found = [answer.hypothesis.candidates for answer in answers]
    same = sum(bool(each) and each[0].similarity >= SAME_IMAGE for each in found)
    if 2 * same > len(answers):
        say(
            f'warning: {same} of {len(answers)} images are in the map themselves, and find '
            'themselves; the figures tell nothing about other drives: replay another one'
        )


def _reference(args: argparse.Namespace) -> BagTopics:
    """The bag's topics, with the most exact positions that can be compared with the map's."""
    topics = config_from(args, BagTopics)
    if args.ground_truth is not None:
        return topics
    is_new = args.mode == 'map' or (args.mode != 'localize' and not args.map.exists())
    return reference_topics(args.bag, topics, None if is_new else args.map)


def _open(args: argparse.Namespace) -> PlaceRecognizer:
    """The recogniser on the map, which is writable in the modes that map."""
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer
    from ghost_vpr_ros.replay.bags.camera import bag_camera

    camera = bag_camera(Path(args.bag))
    recognizer = PlaceRecognizer.open(
        args.map,
        args.model,
        config_from(args, EngineConfig),
        config_from(args, RecognizerConfig),
        args.mode,
        config_from(args, MapConfig),
    )
    say_warnings(recognizer.place_map)
    recognizer.use_camera(camera)
    return recognizer


def replay_and_write(
    args: argparse.Namespace,
    frames: Sequence[Frame],
    recognizer: PlaceRecognizer,
    unjudged: str,
) -> dict[str, Any]:
    """Run the replay, write its files to `args.out` and return their figures.

    These are the content of metrics.json and, under `pose_graph`, that of pose_graph.json.

    Args:
        args: of the command line.
        frames: of the bag.
        recognizer: answers them.
        unjudged: why the answers cannot be judged; empty where they can.
    """
    from ghost_vpr_ros.replay.evaluation.replay_report import write_replay
    from ghost_vpr_ros.replay.evaluation.replayer import judge

    judgement = config_from(args, EvaluationConfig)
    if unjudged:
        say(f'note: answers are not judged: {unjudged}')
    answers, own_session = _answers(args, frames, recognizer)
    _report_unusable(answers)
    # A pose graph leaves out the matches of a drive with itself.
    if not own_session and not args.pose_graph:
        _report_own_images(answers)
    place_map, limit_m = recognizer.place_map, judgement.positive_distance_m
    evaluation = None if unjudged else judge(answers, place_map, limit_m, own_session)
    _say_what_is_not_judged(evaluation, place_map, unjudged)
    described = _described(args, recognizer, evaluation)
    title = replay_title(Path(args.bag).name, args.map.name, evaluation, recognizer.model.name)
    metrics = write_replay(
        answers, evaluation, described, title, judgement.sheet_rows, args.out, place_map
    )
    exported = export_and_write(args, answers, own_session)
    metrics = {**metrics, **({'exported': exported} if exported else {})}
    if not args.pose_graph:
        return metrics
    graph = pose_graph_and_write(args, answers, place_map.origin, own_session)
    return {**metrics, 'pose_graph': graph}


def _say_what_is_not_judged(
    evaluation: Evaluation | None, place_map: MapReader, unjudged: str
) -> None:
    if evaluation is not None and len(evaluation.database) < len(place_map):
        without = len(place_map) - len(evaluation.database)
        say(f'note: {without} keyframes lack a position; an answer there does not count as right')
    if evaluation is None and not unjudged:
        say('note: no positions to judge by; only the answers themselves are reported')


def _answers(
    args: argparse.Namespace, frames: Sequence[Frame], recognizer: PlaceRecognizer
) -> tuple[list[Answer], str]:
    """The answers to all frames, and the name of the session that they filled, or empty."""
    from ghost_vpr_ros.core.mapping.mapper import PlaceMapper
    from ghost_vpr_ros.replay.evaluation.replayer import replay

    odometry = _odometry(args, frames)
    place_map, has_odometry = recognizer.place_map, odometry is not None
    for note in missing_notes(args.mode, frames, place_map, has_odometry=has_odometry):
        say(f'note: {note}')
    with progress_bar(len(frames), 'replay') as progress:
        if args.mode == 'localize':
            return replay(frames, recognizer, odometry, progress=progress), ''
        mapping = config_from(args, MappingConfig)
        mapper = PlaceMapper(recognizer, mapping, config_from(args, MapConfig))
        answers = replay(frames, mapper, odometry, progress=progress)
        recognizer.place_map.commit()
        return answers, mapper.session


def missing_notes(
    mode: str, frames: Sequence[Frame], place_map: MapReader, *, has_odometry: bool
) -> list[str]:
    """Warnings about missing data of the drive or its map, before the first image is described.

    Args:
        mode: of the replay.
        frames: of the bag.
        place_map: that answers, or is made.
        has_odometry: whether the drive has odometry.
    """
    notes = []
    if mode == 'localize' and len(place_map) and place_map.map_frame == 'none':
        notes.append(
            f'{place_map.path} holds no positions: an answer names a keyframe, not a pose, and '
            'few are accepted; build the map from a source with positions (GPS, a manifest, '
            'make-bag --poses), or from a drive with odometry (replay --mode map)'
        )
    if not has_odometry and mode == 'localize':
        notes.append('no odometry: images are joined by time alone, and fewer are accepted')
    if not has_odometry and mode != 'localize' and all(frame.geo is None for frame in frames):
        notes.append(
            'neither odometry nor GPS: keyframes are chosen by looks and get no positions, so '
            'their places are named, but hardly ever accepted; record nav_msgs/Odometry'
        )
    return notes


def _described(
    args: argparse.Namespace, recognizer: PlaceRecognizer, evaluation: Evaluation | None
) -> dict[str, Any]:
    """Entries of metrics.json on bag, map and settings."""
    mapping = {} if args.mode == 'localize' else config_from(args, MappingConfig).to_dict()
    return {
        'descriptor_dim': recognizer.model.descriptor_dim,
        'model': describe_model(recognizer.model),
        'mode': args.mode,
        'recognizer': {**recognizer.config.to_dict(), **mapping},
        'is_calibrated': recognizer.calibration is not None,
        'num_keyframes': len(recognizer.place_map),
        'protocol': {
            'bag': str(args.bag),
            'map': str(args.map),
            'map_revision': recognizer.place_map.revision,
            **({} if evaluation is None else _judged_by(args, evaluation)),
        },
    }


def _judged_by(args: argparse.Namespace, evaluation: Evaluation) -> dict[str, Any]:
    reference = reference_text(args.bag, args.ground_truth, config_from(args, BagTopics))
    return {**evaluation.truth.protocol, 'reference': reference}


def replay_title(bag: str, place_map: str, evaluation: Evaluation | None, model: str) -> str:
    """Heading of the pictures: bag, map, protocol and network."""
    limit = '' if evaluation is None else f', right within {evaluation.truth.limit_text}'
    return f'{bag} replayed on {place_map}{limit}\n{model}'


def replay_lines(metrics: dict[str, Any]) -> list[str]:
    """The figures of a replay as text."""
    rest = {key: metrics[key] for key in ('num_frames_without_truth', 'reasons')}
    rest['model'] = metrics['model']['name']
    is_judged = 'recall' in metrics
    recall = recall_lines(metrics['recall']) if is_judged else []
    if is_judged and metrics['num_queries'] == metrics['num_queries_without_positives']:
        recall = ['recall: none, no frame shows a place that the map held before it']
    graph = pose_graph_lines(metrics['pose_graph']) if 'pose_graph' in metrics else []
    return [*replay_verdict(metrics), *recall, *table_lines(rest), *graph]


def _odometry(args: argparse.Namespace, frames: Sequence[Frame]) -> StampedMemory[Pose] | None:
    """The odometry that the node would receive; None if there is none, or several.

    A map that is made with a drift seed is made with that odometry.

    Raises:
        BagError: no such topic of odometry, or the bag is damaged.
    """
    if args.mode != 'localize' and args.pose_graph and args.drift_seed is not None:
        (track,) = odometry_tracks(args, frames).values()
        return track.remembered()
    return known_odometry(args.bag, args.odometry_topic)
