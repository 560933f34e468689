"""Measure a third-party network without training: GeM, and VLAD with clusters of the database.

Usage: `python -m training.teacher_baseline --teacher efficientnet-lite0 --size-px 320`. The
protocols are those of `training.evaluate`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.poolings.activations import generalised_mean
from ghost_vpr_ros.core.model.poolings.hard_vlad import hard_vlad
from ghost_vpr_ros.core.preprocessing import preprocess
from ghost_vpr_ros.replay.output_files import check_output_file, write_json
from training.entry import finish, new_parser
from training.measure.protocols import PROTOCOLS, Protocol, open_protocol, read_protocols
from training.places.selection import recall_of
from training.trunk.teacher import Teacher, open_teacher

GEM_POWER = 3.0
CLUSTERS = 64
_SAMPLE = 20_000
_BATCH = 8


def gem(feature_map: Tensor) -> Tensor:
    """(B, C) unit-norm generalised means, power 3, of (B, C, h, w)."""
    return nn.functional.normalize(generalised_mean(feature_map, GEM_POWER), dim=1)


def baseline(teacher: Teacher, protocol: Protocol, size_px: int) -> dict[str, dict[int, float]]:
    """recall@N of both poolings under one protocol.

    Raises:
        ImageError: an image cannot be read.
    """
    database = _feature_maps(teacher, protocol.database, size_px)
    centres = _centres(database)
    queries = _feature_maps(teacher, protocol.queries, size_px)
    poolings = {'GeM': gem, 'VLAD': lambda maps: hard_vlad(maps, centres)}
    return {
        name: recall_of(_pooled(queries, pool), _pooled(database, pool), protocol.truth)
        for name, pool in poolings.items()
    }


def _feature_maps(teacher: Teacher, frames: Sequence[Frame], size_px: int) -> list[Tensor]:
    config = PreprocessingConfig(width_px=size_px, height_px=size_px)
    maps = []
    for start in tqdm(range(0, len(frames), _BATCH), 'describe', leave=False, disable=None):
        images = [preprocess(f.load(), config) for f in frames[start : start + _BATCH]]
        (found,) = teacher(torch.from_numpy(np.concatenate(images)))
        maps.append(found.half())
    return maps


def _pooled(maps: Sequence[Tensor], pool: object) -> NDArray[np.float32]:
    assert callable(pool)
    return np.concatenate([pool(each.float()).numpy() for each in maps])


def _centres(maps: Sequence[Tensor]) -> Tensor:
    """(K, C) k-means centres of a sample of the database's local features."""
    features = torch.cat([each.float().permute(0, 2, 3, 1).flatten(0, 2) for each in maps])
    generator = torch.Generator().manual_seed(0)
    sample = features[torch.randperm(len(features), generator=generator)[:_SAMPLE]]
    kmeans = faiss.Kmeans(sample.shape[1], CLUSTERS, niter=15, seed=1)
    kmeans.train(nn.functional.normalize(sample, dim=1).numpy())
    return torch.from_numpy(kmeans.centroids)


def _run(args: argparse.Namespace) -> str:
    check_output_file(args.out)
    teacher = open_teacher(args.teacher)
    rows, lines = [], []
    for name, config in read_protocols(PROTOCOLS, args.only).items():
        found = baseline(teacher, open_protocol(name, config), args.size_px)
        for pooling, recall in found.items():
            rows.append({'protocol': name, 'pooling': pooling, 'recall': recall})
            values = ' / '.join(f'{value:.1f}' for value in recall.values())
            lines.append(f'{name:22s}{pooling:5s} r@1/5/10 {values}\n')
    if args.out is not None:
        write_json(args.out, {'teacher': args.teacher, 'size_px': args.size_px, 'rows': rows})
    return ''.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('teacher_baseline', __doc__)
    parser.add_argument('--teacher', default='efficientnet-lite0', help='see training.distill')
    parser.add_argument('--size-px', type=int, default=320, help='side of the input')
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME', help='these protocols')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    args = parser.parse_args(arguments)
    return finish('teacher_baseline', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
