"""Evaluate retrieval: queries against a database, judged by ground truth.

Writes metrics.json, per_query.csv, recall.png, precision_recall.png, worst_failures.jpg and
matches.jpg; files of an earlier evaluation in the same folder are replaced.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.model_options import add_engine_options, add_model_options, chosen_any_model
from ghost_vpr_ros.cli.options import (
    add_settings,
    add_where,
    config_from,
    given_settings,
    option_name,
    where_from,
)
from ghost_vpr_ros.cli.positions import located
from ghost_vpr_ros.cli.progress import progress_bar, say
from ghost_vpr_ros.cli.sources import opened, plain_images_told
from ghost_vpr_ros.cli.table import add_json_option, figure_rows, print_result, table_lines
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.verification import PatchNetVladConfig
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import EvaluationConfig, RerankConfig
from ghost_vpr_ros.replay.output_files import make_output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.cli.model_options import AnyModel
    from ghost_vpr_ros.core.engine import Engine
    from ghost_vpr_ros.core.model.description import DescribedModel
    from ghost_vpr_ros.replay.evaluation.evaluator import Reranker
    from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    for name in ('database', 'queries'):
        parser.add_argument(
            f'--{name}', required=True, metavar='SOURCE', help='folder, CSV manifest or bag'
        )
        add_where(parser, f'--{name}-where', f' of the {name}')
    parser.add_argument(
        '--ground-truth',
        required=True,
        choices=('position', 'index'),
        help='same place: near enough, or same number in both sequences',
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', type=Path, help='folder for the results'
    )
    add_settings(parser, EvaluationConfig)
    add_settings(parser, ImageConfig)
    second_look = parser.add_argument_group('second look at the candidates')
    add_settings(second_look, RerankConfig)
    add_settings(second_look, PatchNetVladConfig)
    add_settings(parser.add_argument_group('bags'), BagTopics)
    add_json_option(parser)
    add_engine_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the files and print the figures."""
    config = config_from(args, EvaluationConfig)
    database, queries, left_out = _sources(args)
    truth = _ground_truth(args.ground_truth, queries, database, config)
    make_output_folder(args.out)
    model = chosen_any_model(args, database.frames, f'the database {database.name}')
    metrics = evaluate_and_write(args, database, queries, truth, model, config, left_out)
    if args.json:
        print_result(metrics, as_json=True)
    else:
        print('\n'.join(metrics_lines(metrics)))
        print(f'\nwritten to {args.out}: metrics.json, per_query.csv and four pictures')
    return 0


def _sources(args: argparse.Namespace) -> tuple[ImageSource, ImageSource, dict[str, int]]:
    """Database, queries, and how many images of each are left out for want of a position."""
    topics = config_from(args, BagTopics)
    database = opened(args, args.database, where=where_from(args.database_where), topics=topics)
    queries = opened(args, args.queries, where=where_from(args.queries_where), topics=topics)
    num_database, num_queries = len(database), len(queries)
    if args.ground_truth == 'position':
        database, queries = located(database), located(queries)
    left_out = {
        'num_queries_without_position': num_queries - len(queries),
        'num_database_without_position': num_database - len(database),
    }
    return database, queries, left_out


def evaluate_and_write(
    args: argparse.Namespace,
    database: ImageSource,
    queries: ImageSource,
    truth: GroundTruth,
    model: AnyModel,
    config: EvaluationConfig,
    left_out: dict[str, int],
) -> dict[str, Any]:
    """Run the evaluation, write its files to `args.out` and return the content of metrics.json."""
    from ghost_vpr_ros.core.engine.rootsift_engine import create_any_engine
    from ghost_vpr_ros.replay.evaluation.evaluation_report import write_evaluation
    from ghost_vpr_ros.replay.evaluation.evaluator import evaluate

    engine = create_any_engine(model, config_from(args, EngineConfig))
    try:
        with (
            plain_images_told(database, queries) as (items, asked),
            progress_bar(len(database) + len(queries), 'evaluate') as progress,
        ):
            evaluation = evaluate(
                items.frames,
                asked.frames,
                truth,
                model,
                engine,
                reranker=_reranker(args, model, engine),
                progress=progress,
            )
    finally:
        engine.close()
    described = {
        'descriptor_dim': model.descriptor_dim,
        'model': describe_model(model),
        'protocol': {
            **{'database': database.name, 'queries': queries.name, **truth.protocol},
            **_rerank_protocol(args),
        },
        **left_out,
    }
    title = picture_title(database, queries, truth, model)
    return write_evaluation(evaluation, described, title, config.sheet_rows, args.out)


def _reranker(args: argparse.Namespace, model: AnyModel, engine: Engine) -> Reranker | None:
    from ghost_vpr_ros.replay.evaluation.reranking import PatchReranker

    config = config_from(args, RerankConfig)
    given = [*given_settings(args, RerankConfig), *given_settings(args, PatchNetVladConfig)]
    if config.rerank != 'none':
        return PatchReranker(model, engine, config, config_from(args, PatchNetVladConfig))
    if given and given != ['rerank']:
        raise ConfigError(
            f'{option_name(next(name for name in given if name != "rerank"))}: nothing is '
            're-ranked; leave it out, or add --rerank patch-netvlad'
        )
    return None


def _rerank_protocol(args: argparse.Namespace) -> dict[str, Any]:
    """How candidates were re-ranked, for the protocol; nothing where they were not."""
    config = config_from(args, RerankConfig)
    if config.rerank == 'none':
        return {}
    return {**config.to_dict(), **config_from(args, PatchNetVladConfig).to_dict()}


def describe_model(model: DescribedModel) -> dict[str, str]:
    """Name, hash and origin of the weights, as they stand in every result file."""
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
    stages = metrics['latency_ms'].items()
    latency = figure_rows(
        ['latency (ms)', 'p50', 'p95'], [[name, s['p50'], s['p95']] for name, s in stages]
    )
    model = {'model': metrics['model']['name'], 'weights': metrics['model']['weights']}
    before = metrics.get('recall_before_reranking')
    first = [] if before is None else ['before re-ranking', *recall_lines(before), '', 'after']
    return [
        *first,
        *recall_lines(metrics['recall']),
        '',
        *table_lines({**rest, **model}),
        '',
        *latency,
    ]


def _ground_truth(
    kind: str, queries: ImageSource, database: ImageSource, config: EvaluationConfig
) -> GroundTruth:
    from ghost_vpr_ros.replay.evaluation.ground_truth import by_index, by_position

    if kind == 'index':
        truth = by_index(queries.frames, database.frames, config.tolerance)
    else:
        truth = by_position(queries.frames, database.frames, config.positive_distance_m)
    if not truth.positives.counts().any():
        raise SourceError(
            f'{queries.name}: expected queries at places of {database.name}, found a positive for '
            f'none of {len(queries)} (by {kind}, within {truth.limit_text}); check both sources'
        )
    if _find_themselves(queries, database):
        say('warning: some images are query and database item at once and find themselves')
    return truth


def _find_themselves(queries: ImageSource, database: ImageSource) -> bool:
    """Whether some images are both; those of a panorama are never matched with their own."""
    if os.path.realpath(queries.name) != os.path.realpath(database.name):
        return False
    names = {frame.name for frame in database.frames if frame.panorama is None}
    return any(frame.name in names for frame in queries.frames)


def picture_title(
    database: ImageSource, queries: ImageSource, truth: GroundTruth, model: DescribedModel
) -> str:
    """Heading of the pictures: queries, database, protocol and network."""
    state = ', untrained' if model.provenance.startswith('untrained') else ''
    return (
        f'{_short(queries.name)} ({len(queries)} queries) in {_short(database.name)} '
        f'({len(database)}), right within {truth.limit_text}\n{model.name}{state}'
    )


def _short(name: str) -> str:
    """The name of a folder; of a file the folder's, too, since files are often named alike."""
    path = Path(name)
    return f'{path.parent.name}/{path.name}' if path.suffix else path.name
