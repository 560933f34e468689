"""Evaluate retrieval of queries from a database by ground truth.

Writes report.html, a summary page; metrics.json, per_query.csv, recall.png,
precision_recall.png, worst_failures.jpg and matches.jpg; files of an earlier evaluation in the
same folder are replaced.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.model_options import add_engine_options, add_model_options, chosen_any_model
from ghost_vpr_ros.cli.older_files import files_in, report_older_files
from ghost_vpr_ros.cli.options import add_settings, config_from, given_settings, option_name
from ghost_vpr_ros.cli.progress import progress_bar
from ghost_vpr_ros.cli.sources import (
    add_database_and_queries,
    opened_database_and_queries,
    plain_images_reported,
)
from ghost_vpr_ros.cli.table import (
    add_json_option,
    brief,
    figure_rows,
    print_result,
    table_lines,
)
from ghost_vpr_ros.cli.truth_options import add_truth_option, ground_truth_of
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import EvaluationConfig, PatchNetVladConfig, RerankConfig
from ghost_vpr_ros.replay.output_files import output_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ghost_vpr_ros.cli.model_options import AnyModel
    from ghost_vpr_ros.core.engine import Engine
    from ghost_vpr_ros.core.model.description import DescribedModel
    from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
    from ghost_vpr_ros.replay.evaluation.reranking import PatchReranker
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_source_options(parser)
    parser.add_argument(
        '--descriptors',
        nargs=2,
        metavar=('DATABASE.npy', 'QUERIES.npy'),
        type=Path,
        help='descriptors that were made elsewhere, (N, D) in the order of the images: no network '
        'is run',
    )
    add_settings(parser, EvaluationConfig)
    add_settings(parser, ImageConfig)
    reranking = parser.add_argument_group('re-ranking of the candidates')
    add_settings(reranking, RerankConfig)
    add_settings(reranking, PatchNetVladConfig)
    add_settings(parser.add_argument_group('bags'), BagTopics)
    add_json_option(parser)
    add_engine_options(parser)
    add_model_options(parser)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add database, queries, ground truth, and the folder for the results."""
    add_database_and_queries(parser)
    add_truth_option(parser)
    parser.add_argument(
        '--out', required=True, metavar='DIR', type=Path, help='folder for the results'
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the files and print the figures."""
    config = config_from(args, EvaluationConfig)
    task = sources_and_truth(args, config)
    descriptors = _given_descriptors(args, task)
    with output_folder(args.out):
        before = files_in(args.out)
        if descriptors is None:
            database = task.database
            model = chosen_any_model(args, database.frames, f'the database {database.name}')
            metrics = evaluate_and_write(args, task, model, config)
        else:
            metrics = _judge_and_write(args, task, descriptors, config)
    if args.json:
        print_result(metrics, as_json=True)
    else:
        print('\n'.join(metrics_lines(metrics)))
        print(
            f'\nwritten to {args.out}: report.html, metrics.json, per_query.csv and four pictures'
        )
    report_older_files(args.out, before)
    return 0


@dataclass(frozen=True)
class Task:
    """The input of an evaluation.

    Attributes:
        database: images that are searched.
        queries: images to search for.
        truth: of these two.
        left_out: how many images of each were left out, for `metrics.json`.
        numbers: (N,) and (Q,) number of each image in its source, those left out counted.
    """

    database: ImageSource
    queries: ImageSource
    truth: GroundTruth
    left_out: dict[str, int]
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]]

    @property
    def protocol(self) -> dict[str, Any]:
        """Sources and ground truth, for `metrics.json`."""
        names = {'database': self.database.name, 'queries': self.queries.name}
        return {**names, **self.truth.protocol}


def sources_and_truth(args: argparse.Namespace, config: EvaluationConfig) -> Task:
    """Database, queries and ground truth, without images that the ground truth lacks.

    Raises:
        SourceError: a source cannot be read, or there is no ground truth.
    """
    all_database, all_queries = opened_database_and_queries(args)
    truth, queries, database = ground_truth_of(
        args.ground_truth, all_queries, all_database, config
    )
    left_out = {
        'num_queries_without_position': len(all_queries) - len(queries),
        'num_database_without_position': len(all_database) - len(database),
    }
    numbers = (_kept(all_database, database), _kept(all_queries, queries))
    return Task(database, queries, truth, left_out, numbers)


def _kept(all_images: ImageSource, kept: ImageSource) -> NDArray[np.int64]:
    import numpy as np

    wanted = {id(frame) for frame in kept.frames}
    found = [n for n, frame in enumerate(all_images.frames) if id(frame) in wanted]
    return np.array(found, np.int64)


def _given_descriptors(
    args: argparse.Namespace, task: Task
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """The descriptors of --descriptors for the kept images, database first."""
    if args.descriptors is None:
        return None
    from ghost_vpr_ros.replay.descriptors.given import check_one_size, read_descriptors

    if args.model is not None or config_from(args, RerankConfig).rerank != 'none':
        raise ConfigError(
            '--descriptors: they were made elsewhere and no network is run; leave --model and '
            '--rerank out'
        )
    counts = (
        len(task.database) + task.left_out['num_database_without_position'],
        len(task.queries) + task.left_out['num_queries_without_position'],
    )
    database, queries = (
        read_descriptors(path, count)[kept]
        for path, count, kept in zip(args.descriptors, counts, task.numbers, strict=True)
    )
    check_one_size(args.descriptors, database, queries)
    return database, queries


def _judge_and_write(
    args: argparse.Namespace,
    task: Task,
    descriptors: tuple[NDArray[np.float32], NDArray[np.float32]],
    config: EvaluationConfig,
) -> dict[str, Any]:
    """Rank given descriptors, write the files and return the content of metrics.json."""
    from ghost_vpr_ros.replay.evaluation.evaluation_report import write_evaluation
    from ghost_vpr_ros.replay.evaluation.evaluator import Evaluation, rank_database

    database, queries = descriptors
    found = rank_database(queries, database, task.truth)
    evaluation = Evaluation(
        task.database.frames, task.queries.frames, task.truth, *found, stage_ms={}
    )
    files = ' and '.join(path.name for path in args.descriptors)
    model = {'name': 'descriptors made elsewhere', 'hash': '', 'weights': files}
    described = {'descriptor_dim': database.shape[1], 'model': model, 'protocol': task.protocol}
    heading = _heading(task.database, task.queries, task.truth)
    title = f'{heading}\ndescriptors of {files}'
    return write_evaluation(
        evaluation, {**described, **task.left_out}, title, config.sheet_rows, args.out
    )


def evaluate_and_write(
    args: argparse.Namespace, task: Task, model: AnyModel, config: EvaluationConfig
) -> dict[str, Any]:
    """Run the evaluation, write its files to `args.out` and return the content of metrics.json."""
    from ghost_vpr_ros.core.engine.rootsift_engine import create_any_engine
    from ghost_vpr_ros.replay.evaluation.evaluation_report import write_evaluation
    from ghost_vpr_ros.replay.evaluation.evaluator import evaluate

    database, queries, truth = task.database, task.queries, task.truth
    with (
        closing(create_any_engine(model, config_from(args, EngineConfig))) as engine,
        plain_images_reported(database, queries) as (items, seen),
        progress_bar(len(database) + len(queries), 'evaluate') as progress,
    ):
        evaluation = evaluate(
            items.frames,
            seen.frames,
            truth,
            model,
            engine,
            reranker=_reranker(args, model, engine),
            progress=progress,
        )
    described = {
        'descriptor_dim': model.descriptor_dim,
        'model': describe_model(model),
        'protocol': {**task.protocol, **_rerank_protocol(args)},
        **task.left_out,
    }
    title = picture_title(database, queries, truth, model)
    return write_evaluation(evaluation, described, title, config.sheet_rows, args.out)


def _heading(database: ImageSource, queries: ImageSource, truth: GroundTruth) -> str:
    return (
        f'{_short(queries.name)} ({len(queries)} queries) in {_short(database.name)} '
        f'({len(database)}), right within {truth.limit_text}'
    )


def _reranker(args: argparse.Namespace, model: AnyModel, engine: Engine) -> PatchReranker | None:
    config = config_from(args, RerankConfig)
    given = [*given_settings(args, RerankConfig), *given_settings(args, PatchNetVladConfig)]
    if config.rerank != 'none':
        # Only here: it needs PyTorch, and evaluation alone does not.
        from ghost_vpr_ros.replay.evaluation.reranking import PatchReranker

        return PatchReranker(model, engine, config, config_from(args, PatchNetVladConfig))
    if given and given != ['rerank']:
        raise ConfigError(
            f'{option_name(next(name for name in given if name != "rerank"))}: nothing is '
            're-ranked; leave it out, or add --rerank patch-netvlad'
        )
    return None


def _rerank_protocol(args: argparse.Namespace) -> dict[str, Any]:
    """How candidates were re-ranked, for the protocol; empty if they were not."""
    config = config_from(args, RerankConfig)
    if config.rerank == 'none':
        return {}
    return {**config.to_dict(), **config_from(args, PatchNetVladConfig).to_dict()}


def describe_model(model: DescribedModel) -> dict[str, str]:
    """Name, hash and origin of the weights, for every result file."""
    return {'name': model.name, 'hash': model.model_hash, 'weights': model.provenance}


def recall_lines(recall: dict[str, float]) -> list[str]:
    """recall@N in one row under the N."""
    percent = [f'{value:.1f}' for value in recall.values()]
    return figure_rows(['', *(f'r@{n}' for n in recall)], [['recall (%)', *percent]])


def metrics_lines(metrics: dict[str, Any]) -> list[str]:
    """The figures of an evaluation as text: recall in one row, then the rest."""
    rest = {
        key: metrics[key]
        for key in (
            'average_precision',
            'recall_at_100_precision',
            'num_queries',
            'num_queries_without_positives',
            'num_queries_without_position',
            'num_database',
            'num_database_without_position',
            'descriptor_dim',
        )
    }
    stages = [[name, s['p50'], s['p95']] for name, s in metrics['latency_ms'].items()]
    latency = figure_rows(['latency (ms)', 'p50', 'p95'], stages) if stages else []
    model = {
        'model': metrics['model']['name'],
        'weights': brief(metrics['model']['weights']),
    }
    before = metrics.get('recall_before_reranking')
    first = [] if before is None else ['before re-ranking', *recall_lines(before), '', 'after']
    recall = recall_lines(metrics['recall'])
    if metrics['num_queries'] == metrics['num_queries_without_positives']:
        recall = ['recall: none to tell, no query shows a place of the database']
    return [
        *first,
        *recall,
        '',
        *table_lines({**rest, **model}),
        '',
        *latency,
    ]


def picture_title(
    database: ImageSource, queries: ImageSource, truth: GroundTruth, model: DescribedModel
) -> str:
    """Heading of the pictures: queries, database, protocol and network."""
    state = ', untrained' if model.provenance.startswith('untrained') else ''
    return f'{_heading(database, queries, truth)}\n{model.name}{state}'


def _short(name: str) -> str:
    """The name of a folder; of a file with its folder, since file names are often equal."""
    path = Path(name)
    return f'{path.parent.name}/{path.name}' if path.suffix else path.name
