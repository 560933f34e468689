"""Export the network as an ONNX graph, for robots without PyTorch and for other programs.

The graph takes RGB pixels (uint8, B x h x w x 3) and gives `descriptor` (float32, B x D, unit
norm) and `feature_map`. This command also writes it to the cache of the engines.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.info import is_map
from ghost_vpr_ros.cli.options import add_settings, add_where, config_from, where_from
from ghost_vpr_ros.cli.progress import progress_bar
from ghost_vpr_ros.cli.sources import opened
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.config.engine import QuantisationConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.output_files import write_file

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.weights_file import StoredModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'model',
        metavar='MAP|WEIGHTS',
        type=Path,
        nargs='?',
        help='map, weights file, .onnx or torchvision:NAME; default: the weights of this package',
    )
    parser.add_argument('--out', metavar='FILE', type=Path, help='also write it to this file')
    parser.add_argument(
        '--precision', choices=('float32', 'int8'), default='float32', help='of the graph'
    )
    int8 = parser.add_argument_group('with --precision int8')
    int8.add_argument(
        '--images', metavar='SOURCE', help='folder, manifest or bag of training images'
    )
    add_where(int8)
    add_settings(int8, QuantisationConfig)
    add_settings(int8, ImageConfig)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Export, fill the cache, write the file and print the paths."""
    from ghost_vpr_ros.core.engine.graph_cache import graph_of, keep_graph, with_digest

    if (args.precision == 'int8') != (args.images is not None):
        raise ConfigError(
            '--images: expected a source of training images with --precision int8, and only with '
            'it; quantisation measures the range of every layer on them'
        )
    model = _model(args.model)
    graph = graph_of(model, 'float32')
    if args.precision == 'int8':
        graph = _quantised(args, graph, model)
    kept = keep_graph(model.model_hash, args.precision, graph)
    if args.out is not None:
        write_file(args.out, with_digest(graph, model.model_hash, args.precision))
    print_result(_summary(args, model, graph, kept), args.json)
    return 0


def _model(path: Path | None) -> StoredModel:
    from ghost_vpr_ros.core.engine.networks_of_others import is_of_others, stored_model
    from ghost_vpr_ros.core.map.place_map import PlaceMap
    from ghost_vpr_ros.core.model.default_weights import default_weights

    if path is None:
        return default_weights()
    if is_of_others(path) or not is_map(path):
        return stored_model(path)
    with PlaceMap.open(path) as place_map:
        return place_map.model()


def _quantised(args: argparse.Namespace, graph: bytes, model: StoredModel) -> bytes:
    from ghost_vpr_ros.core.engine.quantisation import quantised_graph
    from ghost_vpr_ros.core.sampling import evenly_spaced

    config = config_from(args, QuantisationConfig)
    frames = opened(args, args.images, where=where_from(args.where)).frames
    chosen = [frames[i] for i in evenly_spaced(len(frames), config.calibration_images)]
    with progress_bar(len(chosen), 'calibrate') as progress:
        return quantised_graph(graph, chosen, model.preprocessing, progress=progress)


def _summary(
    args: argparse.Namespace, model: StoredModel, graph: bytes, kept: Path | None
) -> dict[str, Any]:
    return {
        'model': model.name,
        'hash': model.model_hash,
        'precision': args.precision,
        'size_mb': round(len(graph) / 1e6, 2),
        'input': f'pixels uint8 (B, {model.preprocessing.height_px}, '
        f'{model.preprocessing.width_px}, 3) RGB',
        'outputs': f'descriptor float32 (B, {model.descriptor_dim})'
        + ('' if model.graph else ', feature_map float32'),
        'file': None if args.out is None else str(args.out),
        'cache': 'not writable' if kept is None else str(kept),
    }
