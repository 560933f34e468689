"""The closures of a replay as files, as the node writes them with `~/save_map`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.options import config_from
from ghost_vpr_ros.core.config.export import ExportConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.config import PoseGraphConfig
from ghost_vpr_ros.replay.output_files import write_file

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.evaluation.replayer import Answer


def check_export(args: argparse.Namespace) -> None:
    """Check before the replay what the files need.

    Raises:
        ConfigError: an unknown format, or g2o of a bag without odometry.
        BagError: the bag is damaged.
    """
    from ghost_vpr_ros.replay.pose_graph.odometry_track import odometry_topics_of

    config_from(args, PoseGraphConfig)
    if 'g2o' not in config_from(args, ExportConfig).formats:
        return
    is_off = args.odometry_topic == 'none'
    topics = [] if is_off else odometry_topics_of(Path(args.bag), args.odometry_topic)
    if len(topics) != 1:
        found = f'{len(topics)} topics' if topics else 'none'
        raise ConfigError(
            f'--export g2o: expected one topic of nav_msgs/Odometry in {args.bag} to join the '
            f'images by, found {found}; name one with --odometry-topic, or export csv or json, '
            'which need none'
        )


def export_and_write(
    args: argparse.Namespace, answers: Sequence[Answer], own_session: str
) -> list[str]:
    """Write the requested files to `args.out`; returns their names.

    Raises:
        OutputError: a file cannot be written, or no image has odometry for g2o.
    """
    from ghost_vpr_ros.core.closure_export import FILE_NAMES, DriveRecord, export_texts

    record = DriveRecord(config_from(args, RecognizerConfig).max_speed_m_s)
    for answer in answers:
        record.add(answer.hypothesis, answer.odometry)
    formats = config_from(args, ExportConfig).formats
    noise = config_from(args, PoseGraphConfig)
    texts = export_texts(record, formats, own_session, noise)
    for name, text in texts.items():
        write_file(args.out / FILE_NAMES[name], text)
    return [FILE_NAMES[name] for name in texts]
