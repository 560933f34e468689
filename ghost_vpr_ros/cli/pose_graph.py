"""The pose graph of a replay: its options, its input from the bag, and its figures as text."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.progress import say
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.errors import BagError, ConfigError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import (
    DriftConfig,
    EvaluationConfig,
    OdometryConfig,
    PoseGraphConfig,
)

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Frame, GeoPoint
    from ghost_vpr_ros.replay.evaluation.replayer import Answer
    from ghost_vpr_ros.replay.pose_graph.odometry_track import OdometryTrack


def add_pose_graph_options(parser: argparse.ArgumentParser) -> None:
    """Add `--pose-graph` and its settings."""
    group = parser.add_argument_group('pose graph (needs the package gtsam)')
    group.add_argument(
        '--pose-graph',
        action='store_true',
        help='feed odometry and accepted answers to a pose graph; report the trajectory error',
    )
    group.add_argument(
        '--drift-seed',
        metavar='N',
        type=int,
        nargs='+',
        help='instead of odometry of the bag: the true poses with drift, one run for each seed',
    )
    for settings in (OdometryConfig, DriftConfig, PoseGraphConfig):
        add_settings(group, settings)


def check_pose_graph(args: argparse.Namespace) -> None:
    """Check before the replay what the pose graph needs.

    Raises:
        ModuleNotFoundError: GTSAM is not installed.
        ConfigError: a setting is out of range, or a seed is negative.
        BagError: the bag has no odometry, or several topics of it to choose from.
    """
    if not args.pose_graph:
        return
    importlib.import_module('gtsam')
    for settings in (OdometryConfig, DriftConfig, PoseGraphConfig):
        config_from(args, settings)
    if args.drift_seed is None:
        _odometry_topic(args)
        return
    if min(args.drift_seed) < 0:
        raise ConfigError(f'--drift-seed: expected 0 or more, found {min(args.drift_seed)}')
    if len(args.drift_seed) > 1 and args.mode != 'localize':
        raise ConfigError(
            f'--drift-seed: expected one seed with --mode {args.mode}, found '
            f'{len(args.drift_seed)}; each odometry makes another map, so run them one by one'
        )


def pose_graph_and_write(
    args: argparse.Namespace,
    answers: Sequence[Answer],
    origin: GeoPoint | None,
    own_session: str,
) -> dict[str, Any]:
    """Run the pose graph, write its files to `args.out`; the content of pose_graph.json.

    Args:
        args: of the command line.
        answers: to all frames.
        origin: of the map, where it is geotagged.
        own_session: of the map that the drive itself filled; empty where it did not.
    """
    from ghost_vpr_ros.replay.pose_graph.report import write_pose_graph
    from ghost_vpr_ros.replay.pose_graph.run import run_pose_graph, true_positions

    frames = [answer.frame for answer in answers]
    truth = true_positions(frames, origin)
    if args.drift_seed is None and _judges_by_odometry(args):
        say('note: the positions are the odometry itself; no trajectory error is reported')
        truth[:] = float('nan')
    config = config_from(args, PoseGraphConfig)
    runs = [
        run_pose_graph(name, odometry, answers, truth, own_session, config)
        for name, odometry in odometry_tracks(args, frames).items()
    ]
    described = {
        'bag': str(args.bag),
        'map': str(args.map),
        'mode': args.mode,
        'kernel': 'Cauchy on closures',
        'settings': {
            **config.to_dict(),
            'max_speed_m_s': config_from(args, RecognizerConfig).max_speed_m_s,
            **config_from(args, OdometryConfig).to_dict(),
            **({} if args.drift_seed is None else config_from(args, DriftConfig).to_dict()),
        },
    }
    limit_m = config_from(args, EvaluationConfig).positive_distance_m
    return write_pose_graph(runs, frames, limit_m, described, args.out)


def pose_graph_lines(result: dict[str, Any]) -> list[str]:
    """The figures of all runs as a table, and why links of odometry were left out."""
    head = 'run         ATE (m): odometry  closures  robust  ratio  used  false  false/km'
    lines = ['', head]
    for run in result['runs']:
        ate, used = run['ate_m'], run['closures_used']
        lines.append(
            f'{run["name"]:<20}{ate["odometry"]:9.2f}{ate["closures"]:10.2f}'
            f'{ate["closures_robust"]:8.2f}{run["ate_ratio"]["closures_robust"]:7.2f}'
            f'{used["num"]:6d}{used["false"]:7d}{used["false_per_km"]:10.2f}'
        )
    for run in result['runs']:
        lines.append(f'{run["name"]}: odometry {run["odometry"]}')
        lines.append(f'{run["name"]}: closures from {run["closures_from"]}')
        lines += [
            f'{run["name"]}: left out {link["from"]} to {link["to"]}: {link["why"]}'
            for link in run['odometry_links_left_out']
        ]
    return lines


def odometry_tracks(args: argparse.Namespace, frames: Sequence[Frame]) -> dict[str, OdometryTrack]:
    """By name of the run: of the bag, or one for each seed."""
    from ghost_vpr_ros.replay.pose_graph.odometry_track import read_odometry
    from ghost_vpr_ros.replay.pose_graph.run import odometry_of_truth

    if args.drift_seed is not None:
        drift = config_from(args, DriftConfig)
        return {
            f'drift_seed_{seed}': odometry_of_truth(frames, drift, seed)
            for seed in args.drift_seed
        }
    stamps = [frame.stamp_ns for frame in frames]
    gap_s = config_from(args, BagTopics).max_gap_s
    config = config_from(args, OdometryConfig)
    fastest_m_s = config_from(args, RecognizerConfig).max_speed_m_s
    topic = _odometry_topic(args)
    return {'odometry': read_odometry(Path(args.bag), topic, stamps, config, fastest_m_s, gap_s)}


def _odometry_topic(args: argparse.Namespace) -> str:
    from ghost_vpr_ros.replay.pose_graph.odometry_track import odometry_topic_of

    topic = odometry_topic_of(Path(args.bag), args.odometry_topic)
    if topic is None:
        raise BagError(
            f'{args.bag}: expected a topic of nav_msgs/Odometry, found none; give --drift-seed N '
            'to make odometry from true poses'
        )
    return topic


def _judges_by_odometry(args: argparse.Namespace) -> bool:
    """Whether ground truth and odometry come from one topic."""
    from ghost_vpr_ros.replay.bags.file import BagFile
    from ghost_vpr_ros.replay.bags.reader import position_topic_of

    if args.ground_truth is not None:
        return False
    topic = position_topic_of(BagFile(Path(args.bag)), config_from(args, BagTopics).position_topic)
    return topic is not None and topic.name == _odometry_topic(args)
