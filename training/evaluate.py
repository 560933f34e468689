"""Measure networks, or the RootSIFT baseline, by named protocols: recall@N in one table.

python -m training.evaluate --weights RUN/weights.safetensors [more ...] [--dims 64 128 512]
python -m training.evaluate --weights W --only gsv_test gardens_left_right --data shared/data
python -m training.evaluate --weights W --panel --against OTHER    # panel mean, paired tests
python -m training.evaluate --weights W --rerank patch-netvlad     # re-rank the best 100
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.engine.rootsift_engine import create_any_engine
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.any_model import open_any_model
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.replay.config import PatchNetVladConfig, RerankConfig
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS
from ghost_vpr_ros.replay.evaluation.reranking import PatchReranker
from ghost_vpr_ros.replay.output_files import check_output_file, without_nan, write_json
from training.entry import finish, new_parser
from training.head.patch_components import patch_components
from training.loop.trunk_memory import add_maps_option, remember_trunk
from training.measure.panel import (
    PANEL,
    Panel,
    compare_parts,
    open_panel,
    panel_table,
    part_scores,
)
from training.measure.protocols import (
    PROTOCOLS,
    ImageSizeConfig,
    Protocol,
    open_protocol,
    read_protocols,
)
from training.measure.retrieval import Judged, judge
from training.trunk.photo_views import open_unweighted

DATA_VARIABLE = 'GHOST_VPR_DATA'


Rerank = Callable[[Engine, PreprocessingConfig], PatchReranker]
"""Makes a re-ranker with an empty cache, one for each database and input size."""


class Descriptors:
    """Descriptors of frames by one network; images shared by several protocols are read once.

    Attributes:
        engine: runs the network.
    """

    def __init__(self, model: VprModel | StoredModel | RootSiftVlad, config: EngineConfig) -> None:
        """Start the engine.

        Raises:
            DeviceError: no such engine or device on this machine.
        """
        self._model = model
        self.engine = create_any_engine(model, config)
        self._known: dict[tuple[ImageSizeConfig, str, str], NDArray[np.float32]] = {}

    def of(
        self, frames: Sequence[Frame], root: str, size: ImageSizeConfig | None = None
    ) -> NDArray[np.float32]:
        """(N, D) float32 descriptors of N frames whose names are relative to `root`.

        Args:
            frames: N frames.
            root: distinguishes frames of the same name.
            size: of the network's input; None: the network's own.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        size = size or ImageSizeConfig()
        new = [frame for frame in frames if (size, root, frame.name) not in self._known]
        with tqdm(total=len(new), desc=Path(root).name, leave=False, disable=None) as bar:
            found = extract_descriptors(
                new,
                self._model,
                self.engine,
                preprocessing=size.applied(self._model.preprocessing),
                progress=bar.update,
            )
        self._known.update(
            ((size, root, frame.name), each) for frame, each in zip(new, found, strict=True)
        )
        return np.stack([self._known[size, root, frame.name] for frame in frames])

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()


def evaluate(
    model: VprModel | StoredModel | RootSiftVlad,
    protocols: Sequence[Protocol],
    dims: Sequence[int],
    config: EngineConfig,
    rerank: Rerank | None = None,
) -> list[dict[str, Any]]:
    """Recall of one network, one row for each protocol and descriptor size.

    Args:
        model: with or without whitening.
        protocols: to measure.
        dims: sizes of prefixes of the descriptor, re-normalised; empty: the whole descriptor.
        config: engine, device and precision.
        rerank: re-ranks the best candidates; None: no re-ranking.

    Raises:
        ConfigError: a prefix is longer than the descriptor.
        ImageError: an image cannot be read.
    """
    too_large = [dim for dim in dims if dim > model.descriptor_dim]
    if too_large:
        raise ConfigError(
            f'--dims: expected at most {model.descriptor_dim}, the size of the descriptor, found '
            f'{too_large[0]}'
        )
    descriptors = Descriptors(
        model, engine_of_any_size(config, model, [each.size for each in protocols])
    )
    rows = []
    for protocol in protocols:
        database = descriptors.of(protocol.database, protocol.roots[0], protocol.size)
        queries = descriptors.of(protocol.queries, protocol.roots[1], protocol.size)
        for dim in dims or [model.descriptor_dim]:
            size = protocol.size.applied(model.preprocessing)
            second = rerank(descriptors.engine, size) if rerank else None
            judged = judge(prefix(queries, dim), prefix(database, dim), protocol, second)
            rows.append(_row(protocol, dim, judged))
    descriptors.close()
    return rows


def engine_of_any_size(
    config: EngineConfig,
    model: VprModel | StoredModel | RootSiftVlad,
    sizes: Sequence[ImageSizeConfig],
) -> EngineConfig:
    """The configuration with engine torch if inputs differ from the network's fixed size.

    Raises:
        ConfigError: another engine is requested, which runs inputs of one size only.
    """
    own = model.preprocessing
    changed = [each for each in sizes if each.applied(own).size_text != own.size_text]
    if not changed:
        return config
    if config.engine not in ('auto', 'torch'):
        raise ConfigError(
            f'--engine: expected torch for inputs {changed[0].applied(own).size_text}, found '
            f'{config.engine}; the other engines run inputs of one size'
        )
    return replace(config, engine='torch')


def prefix(descriptors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """(N, dim) prefixes of (N, D) descriptors, normalised again."""
    if dim == descriptors.shape[1]:
        return descriptors
    short = descriptors[:, :dim]
    lengths = np.linalg.norm(short, axis=1, keepdims=True)
    return np.asarray(short / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _row(protocol: Protocol, dim: int, judged: Judged) -> dict[str, Any]:
    recall, answerable = judged.recall, len(judged.correct)
    share = recall[1] / 100.0
    return {
        'protocol': protocol.name,
        'protocol_id': protocol.identity,
        'descriptor_dim': dim,
        'recall': {str(n): value for n, value in recall.items()},
        'standard_error_at_1': 100.0 * float(np.sqrt(share * (1.0 - share) / answerable)),
        'num_queries': len(protocol.queries),
        'num_queries_without_positives': len(protocol.queries) - answerable,
        'num_database': len(protocol.database),
        'right_at_1': judged.correct[:, 0].astype(int).tolist(),
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """The rows of all networks as a Markdown table."""
    ranks = [f'r@{n}' for n in RECALL_RANKS]
    lines = [
        '| weights | protocol | D | ' + ' | '.join(ranks) + ' | queries | database |',
        '|---|---|--:|' + '--:|' * (len(ranks) + 2),
    ]
    for result in results:
        lines += [f'| {result["weights"]} | {_cells(row)} |' for row in result['rows']]
    return '\n'.join(lines)


def _cells(row: dict[str, Any]) -> str:
    recall = [f'{value:.1f}' for value in row['recall'].values()]
    recall[0] += f' ± {row["standard_error_at_1"]:.1f}'
    without = row['num_queries_without_positives']
    queries = f'{row["num_queries"]}' + (f' ({without} without positives)' if without else '')
    return ' | '.join(
        [row['protocol'], f'{row["descriptor_dim"]}', *recall, queries, f'{row["num_database"]}']
    )


def _opened(
    path: Path, args: argparse.Namespace
) -> tuple[VprModel | StoredModel | RootSiftVlad, EngineConfig]:
    """The network of a weights file and its engine; `--maps` requires the engine torch.

    Raises:
        WeightsError: the file is missing, damaged, or holds no weights.
        ConfigError: `--maps` with another engine.
    """
    config = config_from(args, EngineConfig)
    if args.maps is None:
        return open_any_model(path), config
    if config.engine not in ('auto', 'torch'):
        raise ConfigError(
            f'--maps: expected the engine torch, found {config.engine!r}; leave --maps out'
        )
    model = load_model(path)
    remember_trunk(model, args.maps)
    return model, replace(config, engine='torch')


def _reranking(
    model: VprModel | StoredModel | RootSiftVlad, args: argparse.Namespace
) -> Rerank | None:
    """The re-ranker factory of the options; None: no re-ranking.

    Raises:
        ConfigError: `--patch-pca` without `--rerank`.
    """
    config, patches = config_from(args, RerankConfig), config_from(args, PatchNetVladConfig)
    if config.rerank == 'none':
        if args.patch_pca:
            raise ConfigError('--patch-pca: nothing is re-ranked; add --rerank patch-netvlad')
        return None
    known: list[Whitening] = []

    def rerank(engine: Engine, size: PreprocessingConfig) -> PatchReranker:
        if args.patch_pca and not known:
            frames = open_unweighted(args.patch_pca)
            known.append(patch_components(model, engine, patches, frames))
        components = known[0] if known else None
        return PatchReranker(model, engine, config, patches, components, size)

    return rerank


def _results(args: argparse.Namespace) -> list[dict[str, Any]]:
    configs = read_protocols(args.protocols, args.only)
    protocols = [open_protocol(name, config) for name, config in configs.items()]
    results = []
    for path in args.weights:
        model, config = _opened(path, args)
        rows = evaluate(model, protocols, args.dims, config, _reranking(model, args))
        described = {'model': model.name, 'hash': model.model_hash, 'origin': model.provenance}
        results.append({'weights': str(path), **described, 'rows': rows})
    return results


def _panel(args: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Panel results of each weights file, and their tables."""
    panel = open_panel(PANEL if args.protocols == PROTOCOLS else args.protocols)
    paths = [*args.weights, *([args.against] if args.against else [])]
    measured = [_right_at_1(path, panel, args) for path in paths]
    results, tables = [], []
    for path, right in list(zip(paths, measured, strict=True))[: len(args.weights)]:
        scores = part_scores(panel, right)
        compared = compare_parts(panel, right, measured[-1]) if args.against else {}
        results.append(
            {
                'weights': str(path),
                'parts': scores,
                'panel': None if panel.missing else float(np.mean(list(scores.values()))),
                'missing': dict(panel.missing),
                'against': str(args.against) if args.against else None,
                'comparisons': {part: asdict(each) for part, each in compared.items()},
                'right_at_1': right,
            }
        )
        tables.append(f'{path}\n\n{panel_table(panel, scores, compared)}')
    return results, '\n\n'.join(tables)


def _right_at_1(path: Path, panel: Panel, args: argparse.Namespace) -> dict[str, list[int]]:
    model, config = _opened(path, args)
    rows = evaluate(model, panel.protocols, args.dims[:1], config, _reranking(model, args))
    return {row['protocol']: row['right_at_1'] for row in rows}


def _run(args: argparse.Namespace) -> str:
    check_output_file(args.out)
    if args.panel:
        results, text = _panel(args)
        if args.out is not None:
            write_json(args.out, results)
        return f'{json.dumps(without_nan(results), indent=2) if args.json else text}\n'
    results = _results(args)
    if args.out is not None:
        write_json(args.out, results)
    text = json.dumps(without_nan(results), indent=2) if args.json else table(results)
    return f'{text}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('evaluate', __doc__)
    parser.add_argument('--weights', type=Path, nargs='+', required=True, help='weights files')
    parser.add_argument('--protocols', type=Path, default=PROTOCOLS, help='YAML; default: ours')
    parser.add_argument(
        '--panel',
        action='store_true',
        help='mean recall@1 over the parts of the panel, used to choose networks',
    )
    parser.add_argument(
        '--against', type=Path, help='with --panel: weights to compare the others with'
    )
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME', help='these protocols')
    parser.add_argument('--data', type=Path, help=f'value of ${DATA_VARIABLE} in the protocols')
    parser.add_argument('--dims', type=int, nargs='+', default=[], help='sizes of prefixes')
    for kind in (EngineConfig, RerankConfig, PatchNetVladConfig):
        add_settings(parser, kind)
    parser.add_argument(
        '--patch-pca',
        nargs='+',
        default=[],
        metavar='IMAGES',
        help='PATH [COLUMN=VALUE ...] of training images: whiten patches by the first --patch-dim '
        "principal components of these images' patches, not by the network's whitening",
    )
    add_maps_option(parser)
    parser.add_argument('--out', type=Path, help='JSON file to write')
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    args = parser.parse_args(arguments)
    if args.panel and (args.only or len(args.dims) > 1):
        parser.error('--panel: measures all parts at one size; omit --only, give one --dims')
    if args.against is not None and not args.panel:
        parser.error('--against: needs --panel')
    if any(dim < 1 for dim in args.dims):
        parser.error('--dims: expected sizes from 1')
    if args.data is not None:
        os.environ[DATA_VARIABLE] = str(args.data)
    return finish('evaluate', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
