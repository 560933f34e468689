"""Compare two or more networks on the same images.

Each gets a folder of its own in --out with all that `evaluate` writes; compare.json and
compare.csv hold the table. The first network is the one that the others are compared with.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.evaluate import (
    Task,
    add_source_options,
    evaluate_and_write,
    sources_and_truth,
)
from ghost_vpr_ros.cli.model_options import (
    PACKAGE,
    UNTRAINED,
    UNTRAINED_CONFIGS,
    add_engine_options,
    add_model_settings,
    chosen_any_model,
)
from ghost_vpr_ros.cli.options import add_settings, config_from, given_settings, option_name
from ghost_vpr_ros.cli.progress import say
from ghost_vpr_ros.cli.table import add_json_option, figure_rows, print_result
from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.shipped import SHIPPED
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import EvaluationConfig
from ghost_vpr_ros.replay.output_files import output_folder

if TYPE_CHECKING:
    from ghost_vpr_ros.cli.model_options import AnyModel

_COLUMNS = {
    'model': 'model',
    'descriptor_dim': 'D',
    'recall_at_1': 'r@1',
    'standard_error': '±',
    'recall_at_5': 'r@5',
    'recall_at_10': 'r@10',
    'won': 'won',
    'lost': 'lost',
    'describe_ms': 'ms',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'models',
        metavar='MODEL',
        nargs='+',
        help=f'weights file, {" or ".join(SHIPPED)} (weights of this package; {PACKAGE}: '
        'the default), foreign network (.onnx, or torchvision:NAME), or untrained',
    )
    add_source_options(parser)
    add_settings(parser, EvaluationConfig)
    add_settings(parser.add_argument_group('bags'), BagTopics)
    add_json_option(parser)
    add_engine_options(parser)
    add_model_settings(parser, named_by='')


def run(args: argparse.Namespace) -> int:
    """Evaluate each network and print the table."""
    if len(set(args.models)) < max(2, len(args.models)):
        raise ConfigError(
            f'compare: expected two or more different models, found {" ".join(args.models)}'
        )
    _refuse_unused(args)
    config = config_from(args, EvaluationConfig)
    task = sources_and_truth(args, config)
    chosen = [(name, _model(args, name, task)) for name in args.models]
    _refuse_same(chosen)
    folder: Path = args.out
    rows: list[dict[str, Any]] = []
    right: list[list[bool]] = []
    for number, (name, model) in enumerate(chosen, start=1):
        say(f'{number} of {len(chosen)}: {name}')
        args.out = folder / f'{number}_{Path(name).stem.replace(":", "_")}'
        with output_folder(args.out):
            metrics = evaluate_and_write(args, task, model, config)
        right.append(_right(args.out))
        rows.append(_row(name, metrics, right[0], right[-1]))
    _write(folder, rows, task)
    if args.json:
        print_result({'protocol': task.protocol, 'models': rows}, as_json=True)
    else:
        print('\n'.join(table_of(rows)))
        print(f'\nwon, lost: queries right at rank 1 only here, or only with {args.models[0]}')
        print(f'written to {folder}: compare.json, compare.csv and a folder for each model')
    return 0


def _refuse_same(chosen: Sequence[tuple[str, AnyModel]]) -> None:
    """Refuse two names of one network."""
    names: dict[str, str] = {}
    for name, model in chosen:
        other = names.setdefault(model.model_hash, name)
        if other != name:
            raise ConfigError(
                f'compare: expected two or more different models, found one network, '
                f'{model.model_hash[:12]}, under two names, {other} and {name}; leave one out'
            )


def _refuse_unused(args: argparse.Namespace) -> None:
    """Refuse settings that none of the models uses."""
    taken = {item for name in args.models for item in _taken(args, name)}
    given = [name for config in UNTRAINED_CONFIGS for name in given_settings(args, config)]
    unused = [name for name in given if name not in taken]
    if unused:
        raise ConfigError(
            f'{option_name(unused[0])}: fixed by the weights of every model; leave it out, or '
            f'compare {UNTRAINED} as well'
        )


def _taken(args: argparse.Namespace, name: str) -> set[str]:
    """Settings that a model takes: `untrained` all; without it, foreign networks those of input.

    Networks of others have sizes of their own, in the graph or in the JSON file beside it: beside
    `untrained` its size is not meant for them.
    """
    from ghost_vpr_ros.core.engine.networks_of_others import is_of_others

    if name == UNTRAINED:
        return {item.name for config in UNTRAINED_CONFIGS for item in settings_of(config)}
    is_meant = is_of_others(name) and UNTRAINED not in args.models
    return {item.name for item in settings_of(UNTRAINED_CONFIGS[0])} if is_meant else set()


def _model(args: argparse.Namespace, name: str, task: Task) -> AnyModel:
    """A network, with the settings that it uses."""
    own = argparse.Namespace(**vars(args), model=None if name == PACKAGE else name)
    taken = _taken(args, name)
    for item in (item for config in UNTRAINED_CONFIGS for item in settings_of(config)):
        if item.name not in taken:
            setattr(own, item.name, None)
    return chosen_any_model(own, task.database.frames, f'the database {task.database.name}')


def _right(folder: Path) -> list[bool]:
    """Whether the first answer to each query with a positive is correct."""
    from ghost_vpr_ros.replay.sources.manifest import read_table

    rows = read_table(folder / 'per_query.csv').rows
    return [row.text('correct') == '1' for row in rows if row.text('num_positives') != '0']


def _row(
    name: str, metrics: dict[str, Any], first: Sequence[bool], right: Sequence[bool]
) -> dict[str, Any]:
    share = sum(right) / len(right)
    both = list(zip(first, right, strict=True))
    stages = metrics['latency_ms']
    return {
        'model': name,
        'name': metrics['model']['name'],
        'hash': metrics['model']['hash'],
        'descriptor_dim': metrics['descriptor_dim'],
        'recall_at_1': metrics['recall']['1'],
        'standard_error': 100.0 * math.sqrt(share * (1.0 - share) / len(right)),
        'recall_at_5': metrics['recall']['5'],
        'recall_at_10': metrics['recall']['10'],
        'won': sum(is_right and not was for was, is_right in both),
        'lost': sum(was and not is_right for was, is_right in both),
        'describe_ms': stages['describe']['p50'],
        'num_queries': len(right),
    }


def table_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each model, the columns aligned."""
    cells = [
        [f'{row[key]:.1f}' if isinstance(row[key], float) else row[key] for key in _COLUMNS]
        for row in rows
    ]
    return figure_rows(list(_COLUMNS.values()), cells)


def _write(folder: Path, rows: Sequence[dict[str, Any]], task: Task) -> None:
    from ghost_vpr_ros.replay.output_files import write_csv, write_json

    write_json(folder / 'compare.json', {'protocol': task.protocol, 'models': list(rows)})
    write_csv(folder / 'compare.csv', list(rows[0]), [list(row.values()) for row in rows])
