"""Replay a bag through the recogniser without ROS: every frame, in order.

Writes per_query.csv (equal in every run), metrics.json and, where the truth is known, the curves,
two sheets of pictures and a top-down map. The truth comes from a topic of the bag or from a file.
With --pose-graph the accepted answers correct the drift of odometry; pose_graph.json, poses.csv
and a picture of the trajectories show by how much.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.evaluate import describe_model, recall_lines
from ghost_vpr_ros.cli.model_options import add_engine_options
from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.pose_graph import (
    add_pose_graph_options,
    check_pose_graph,
    pose_graph_and_write,
    pose_graph_lines,
)
from ghost_vpr_ros.cli.positions import judged_frames
from ghost_vpr_ros.cli.progress import progress_bar, say
from ghost_vpr_ros.cli.table import add_json_option, print_result, table_lines
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.recognizer_config import RecognizerConfig
from ghost_vpr_ros.core.settings import settings_of
from ghost_vpr_ros.replay.bag_topics import BagTopics
from ghost_vpr_ros.replay.config import EvaluationConfig
from ghost_vpr_ros.replay.output_files import make_output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.core.odometry import OdometryMemory
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer
    from ghost_vpr_ros.replay.evaluator import Evaluation

_EVALUATION_SETTINGS = ('positive_distance_m', 'sheet_rows')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('bag', metavar='BAG', help='bag of ROS 1 or ROS 2')
    parser.add_argument('--map', required=True, type=Path, help='map that answers')
    parser.add_argument(
        '--out', required=True, metavar='DIR', type=Path, help='folder for the results'
    )
    parser.add_argument('--model', metavar='WEIGHTS', help='weights that made the map')
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
    bag.add_argument(
        '--odometry-topic',
        metavar='TOPIC',
        default='',
        help='odometry of the bag; default: its only topic of Odometry; none: without odometry',
    )
    add_settings(bag, BagTopics, bag_settings)
    add_settings(parser.add_argument_group('judgement'), EvaluationConfig, _EVALUATION_SETTINGS)
    add_settings(parser.add_argument_group('recogniser'), RecognizerConfig)
    add_pose_graph_options(parser)
    add_engine_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Replay, write the files and print the figures."""
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer

    config = config_from(args, RecognizerConfig)
    check_pose_graph(args)
    frames = judged_frames(args.bag, args.ground_truth, config_from(args, BagTopics))
    make_output_folder(args.out)
    recognizer = PlaceRecognizer.open(
        args.map, args.model, engine=args.engine, device=args.device, config=config
    )
    try:
        metrics = replay_and_write(args, frames, recognizer)
    finally:
        recognizer.close()
    if args.json:
        print_result(metrics, as_json=True)
    else:
        print('\n'.join(replay_lines(metrics)))
        print(f'\nwritten to {args.out}')
    return 0


def replay_and_write(
    args: argparse.Namespace, frames: Sequence[Frame], recognizer: PlaceRecognizer
) -> dict[str, Any]:
    """Run the replay, write its files to `args.out` and return their figures.

    These are the content of metrics.json and, under `pose_graph`, that of pose_graph.json.
    """
    from ghost_vpr_ros.replay.replay_report import write_replay
    from ghost_vpr_ros.replay.replayer import judge, replay

    judgement = config_from(args, EvaluationConfig)
    with progress_bar(len(frames), 'replay') as progress:
        answers = replay(frames, recognizer, _odometry(args), progress=progress)
    evaluation = judge(answers, recognizer.place_map, judgement.positive_distance_m)
    if evaluation is None:
        say('note: no positions to judge by; only the answers themselves are reported')
    elif len(evaluation.database) < len(recognizer.place_map):
        without = len(recognizer.place_map) - len(evaluation.database)
        say(f'note: {without} keyframes lack a position; an answer there does not count as right')
    described = {
        'descriptor_dim': recognizer.model.descriptor_dim,
        'model': describe_model(recognizer.model),
        'recognizer': recognizer.config.to_dict(),
        'is_calibrated': recognizer.calibration is not None,
        'protocol': {
            'bag': str(args.bag),
            'map': str(args.map),
            'map_revision': recognizer.place_map.revision,
            **({} if evaluation is None else evaluation.truth.protocol),
        },
    }
    title = replay_title(Path(args.bag).name, args.map.name, evaluation, recognizer.model.name)
    metrics = write_replay(answers, evaluation, described, title, judgement.sheet_rows, args.out)
    if not args.pose_graph:
        return metrics
    graph = pose_graph_and_write(args, answers, recognizer.place_map)
    return {**metrics, 'pose_graph': graph}


def replay_title(bag: str, place_map: str, evaluation: Evaluation | None, model: str) -> str:
    """Heading of the pictures: bag, map, protocol and network."""
    limit = '' if evaluation is None else f', right within {evaluation.truth.limit_text}'
    return f'{bag} replayed on {place_map}{limit}\n{model}'


def replay_lines(metrics: dict[str, Any]) -> list[str]:
    """The figures of a replay as text."""
    keys = ('num_frames', 'num_frames_without_truth', 'states', 'reasons', 'num_accepted_wrong')
    rest = {key: metrics[key] for key in keys if key in metrics}
    recall = recall_lines(metrics['recall']) if 'recall' in metrics else []
    graph = pose_graph_lines(metrics['pose_graph']) if 'pose_graph' in metrics else []
    return [*recall, *table_lines({**rest, 'model': metrics['model']}), *graph]


def _odometry(args: argparse.Namespace) -> OdometryMemory | None:
    """The odometry that the node would have had; None without any, or with several to choose.

    Raises:
        BagError: no such topic of odometry, or the bag is damaged.
    """
    from ghost_vpr_ros.replay.odometry_track import odometry_topics_of, remembered_odometry

    if args.odometry_topic == 'none':
        return None
    topics = odometry_topics_of(Path(args.bag), args.odometry_topic)
    if len(topics) > 1:
        say(f'note: no odometry is used; choose one of {", ".join(topics)} with --odometry-topic')
    return remembered_odometry(Path(args.bag), topics[0]) if len(topics) == 1 else None
