"""Measure networks on image-retrieval benchmarks: mean average precision.

python -m training.evaluate_retrieval --weights W [...] --format oxford --images DIR --truth DIR
    [--crop] [--dims 128 256] [--fit stretch]
python -m training.evaluate_retrieval --weights W --format holidays --images DIR

The data is not part of this project: Oxford 5k, Paris 6k, Holidays, or sets in their formats.
Images keep their original size, as in NetVLAD; `--fit inside --largest-side-px 1024` limits it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.model.any_model import open_any_model
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.replay.output_files import check_output_file, write_json
from training.datasets.readers.retrieval_sets import (
    RETRIEVAL_FORMATS,
    RetrievalSet,
    open_retrieval_set,
)
from training.entry import finish, new_parser
from training.evaluate import Descriptors, engine_of_any_size, prefix
from training.measure.average_precision import average_precision, mean_average_precision
from training.measure.protocols import ImageSizeConfig


def evaluate_retrieval(
    model: StoredModel | RootSiftVlad,
    benchmark: RetrievalSet,
    dims: Sequence[int],
    config: EngineConfig,
    size: ImageSizeConfig | None = None,
) -> list[dict[str, Any]]:
    """Mean average precision of one network, one row for each descriptor size.

    Args:
        model: with or without whitening.
        benchmark: to measure.
        dims: sizes of prefixes of the descriptor, re-normalised; empty: the whole descriptor.
        config: engine, device and precision.
        size: of the network's input; None: the network's own.

    Raises:
        ImageError: an image cannot be read.
    """
    size = size or ImageSizeConfig()
    descriptors = Descriptors(model, engine_of_any_size(config, model, [size]))
    database = descriptors.of(benchmark.database, 'database', size)
    queries = descriptors.of([each.frame for each in benchmark.queries], 'queries', size)
    descriptors.close()
    return [
        {
            'protocol_id': benchmark.identity,
            'input': size.applied(model.preprocessing).size_text,
            'descriptor_dim': dim,
            'map': _map(prefix(queries, dim), prefix(database, dim), benchmark),
            'num_queries': len(queries),
            'num_database': len(database),
        }
        for dim in dims or [model.descriptor_dim]
    ]


def _map(
    queries: NDArray[np.float32], database: NDArray[np.float32], benchmark: RetrievalSet
) -> float:
    rankings = np.argsort(-(queries @ database.T), axis=1, kind='stable')
    return mean_average_precision(
        average_precision(ranking.tolist(), each.positives, each.junk)
        for ranking, each in zip(rankings, benchmark.queries, strict=True)
    )


def table(results: Sequence[dict[str, Any]]) -> str:
    """The rows of all networks as a Markdown table."""
    lines = [
        '| weights | protocol | input | D | mAP | queries | database |',
        '|---|---|---|--:|--:|--:|--:|',
    ]
    for result in results:
        lines += [
            f'| {result["weights"]} | {row["protocol_id"]} | {row["input"]} | '
            f'{row["descriptor_dim"]} | '
            f'{row["map"]:.1f} | {row["num_queries"]} | {row["num_database"]} |'
            for row in result['rows']
        ]
    return '\n'.join([*lines, ''])


def _run(args: argparse.Namespace) -> str:
    check_output_file(args.out)
    benchmark = open_retrieval_set(args.format, args.images, args.truth, args.crop)
    results = []
    for path in args.weights:
        model = open_any_model(path)
        size = config_from(args, ImageSizeConfig)
        engine = config_from(args, EngineConfig)
        rows = evaluate_retrieval(model, benchmark, args.dims, engine, size)
        results.append({'weights': str(path), 'rows': rows})
    if args.out is not None:
        write_json(args.out, results)
    return f'{json.dumps(results, indent=2)}\n' if args.json else table(results)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('evaluate_retrieval', __doc__)
    parser.add_argument('--weights', type=Path, nargs='+', required=True, help='weights files')
    parser.add_argument('--format', choices=RETRIEVAL_FORMATS, required=True)
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--truth', type=Path, help='folder of *_query.txt; default: --images')
    parser.add_argument(
        '--crop', action='store_true', help="crop queries to the object's bounding box"
    )
    parser.add_argument('--dims', type=int, nargs='+', default=[], help='sizes of prefixes')
    for kind in (ImageSizeConfig, EngineConfig):
        add_settings(parser, kind)
    parser.add_argument('--out', type=Path, help='JSON file to write')
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    parser.set_defaults(fit='own')
    args = parser.parse_args(arguments)
    return finish('evaluate_retrieval', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
