"""Describe the images of a large source with several processes, into memory-mapped files.

Killed at any moment, it continues when the same command is given again; given on several
machines with one shared folder, they share the work. `ghost-vpr build-map --descriptors DIR`
makes a map of the result.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.model_options import (
    add_engine_options,
    add_model_options,
    chosen_model,
)
from ghost_vpr_ros.cli.options import add_settings, add_where, config_from, where_from
from ghost_vpr_ros.cli.progress import progress_bar
from ghost_vpr_ros.cli.sources import opened, plain_images_reported
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import DescribeConfig
from ghost_vpr_ros.replay.output_files import output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Progress
    from ghost_vpr_ros.core.model.weights_file import StoredModel
    from ghost_vpr_ros.replay.descriptors.plan import DescriptorPlan
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'source', metavar='SOURCE', help='folder of images, CSV manifest, or bag (ROS 1 or 2)'
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', type=Path, help='folder for the descriptors'
    )
    add_settings(parser, DescribeConfig)
    add_settings(parser, ImageConfig)
    add_where(parser)
    add_json_option(parser)
    add_engine_options(parser)
    add_settings(parser.add_argument_group('bags'), BagTopics)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Describe what is missing and print the content of the folder."""
    from ghost_vpr_ros.core.engine.graph_cache import cache_of_processes
    from ghost_vpr_ros.replay.descriptors.shard_work import remove_unused

    config, topics = config_from(args, DescribeConfig), config_from(args, BagTopics)
    source = opened(args, args.source, where=where_from(args.where), topics=topics)
    with output_folder(args.out), cache_of_processes():
        plan, model = _plan(args, source, config)
        try:
            present = _describe(args, config, source, plan, model)
        except BaseException:
            remove_unused(plan)
            raise
    print_result(
        {
            'descriptors': str(args.out),
            'images': plan.num_frames,
            'images_described_before': present,
            'shards': plan.num_shards,
            'dtype': plan.dtype,
            'model': model.name,
            'weights': model.provenance,
            'descriptor_dim': model.descriptor_dim,
        },
        args.json,
    )
    return 0


def _describe(
    args: argparse.Namespace,
    config: DescribeConfig,
    source: ImageSource,
    plan: DescriptorPlan,
    model: StoredModel,
) -> int:
    """Describe what is missing; how many images were described before."""
    present = plan.count_finished()
    with progress_bar(len(source), 'describe') as progress:
        progress(present)
        if config.workers == 1:
            with plain_images_reported(source) as (watched,):
                _describe_here(args, plan, watched, model, progress)
        else:
            _describe_in_processes(args, config.workers, progress)
    return present


def _plan(
    args: argparse.Namespace, source: ImageSource, config: DescribeConfig
) -> tuple[DescriptorPlan, StoredModel]:
    """The folder's plan, new or of an earlier run, and its model as each process loads it.

    The images of an earlier run are compared with the present ones.
    """
    from ghost_vpr_ros.core.engine import create_engine
    from ghost_vpr_ros.core.model.weights_file import StoredModel
    from ghost_vpr_ros.core.opened_map import bytes_of
    from ghost_vpr_ros.replay.descriptors.plan import MODEL_NAME, make_plan
    from ghost_vpr_ros.replay.map_builder import check_described_images

    chosen = chosen_model(args, source.frames, source.name)
    # The engine comes first: one that is missing leaves no plan of a model that cannot run here.
    with closing(create_engine(chosen, config_from(args, EngineConfig))) as engine:
        plan = make_plan(args.out, source.name, source.frames, chosen, bytes_of(chosen), config)
        plan.path_of(0).parent.mkdir(exist_ok=True)
        model = StoredModel.from_file(plan.folder / MODEL_NAME)
        ends = ((source.frames[row], stored) for row, stored in plan.ends().items())
        check_described_images(ends, plan.folder, model, engine)
    return plan, model


def _describe_here(
    args: argparse.Namespace,
    plan: DescriptorPlan,
    source: ImageSource,
    model: StoredModel,
    progress: Progress,
) -> None:
    from ghost_vpr_ros.core.engine import create_engine
    from ghost_vpr_ros.replay.descriptors.shard_work import describe_shards

    with closing(create_engine(model, config_from(args, EngineConfig))) as engine:
        describe_shards(plan, source.frames, model, engine, progress=progress)


def _describe_in_processes(args: argparse.Namespace, workers: int, progress: Progress) -> None:
    from ghost_vpr_ros.replay.descriptors.shard_processes import DescribeJob, describe_in_processes

    engine = config_from(args, EngineConfig).to_dict()
    job = DescribeJob(
        args.out,
        args.source,
        where_from(args.where),
        config_from(args, BagTopics).to_dict(),
        config_from(args, ImageConfig).to_dict(),
        engine,
        workers,
    )
    describe_in_processes(job, progress)
