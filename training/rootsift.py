"""Learn the RootSIFT-VLAD baseline: k-means centres and whitening, from training images.

python -m training.rootsift --images '$GHOST_VPR_DATA/gsv_cambridge split=train' --out FILE
python -m training.evaluate --weights FILE

The file can be evaluated like weights: `training.evaluate`, `ghost-vpr evaluate --model`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ghost_vpr_ros.cli.options import seed
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.kmeans import kmeans_centres
from ghost_vpr_ros.core.model.rootsift_file import save_rootsift
from ghost_vpr_ros.core.model.rootsift_vlad import CHANNELS, RootSiftConfig, RootSiftVlad
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.output_files import check_writable
from training.entry import finish, new_parser
from training.trunk.photo_views import open_unweighted

CENTRE_IMAGES = 500
FEATURES_PER_IMAGE = 100


@torch.no_grad()
def learn(model: RootSiftVlad, frames: Sequence[Frame], seed: int) -> None:
    """Learn centres and whitening from the frames.

    The centres are learned on 100 local features of each of 500 frames, as in NetVLAD.

    Raises:
        SourceError: fewer local features than clusters.
        SpanError: the images span fewer than D directions.
        ImageError: an image cannot be read.
    """
    chosen = [frames[i] for i in evenly_spaced(len(frames), CENTRE_IMAGES)]
    model.set_centres(kmeans_centres(_sample(model, chosen, seed), model.config.clusters, seed))
    rows = [model.describe_unwhitened(each)[0].numpy() for each in _inputs(model, frames)]
    model.whitening.fit(np.stack(rows), seed=seed)


def _inputs(model: RootSiftVlad, frames: Sequence[Frame]) -> Iterator[NDArray[np.uint8]]:
    for frame in tqdm(frames, 'describe', leave=False, disable=None):
        yield pixel_batch(frame.load(), model.preprocessing)


def _sample(model: RootSiftVlad, frames: Sequence[Frame], seed: int) -> Tensor:
    """(N, 128) RootSIFT at random points of every frame, without all-zero features."""
    rng = np.random.default_rng(seed)
    parts = []
    for each in _inputs(model, frames):
        features = model.feature_map(each)[0].reshape(CHANNELS, -1).T
        features = features[features.any(axis=1)]
        parts.append(rng.permutation(features)[:FEATURES_PER_IMAGE])
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(parts)))


def _run(args: argparse.Namespace) -> str:
    check_writable(args.out.parent)
    frames = open_unweighted(args.images)
    config = RootSiftConfig(clusters=args.clusters, descriptor_dim=args.dim)
    model = RootSiftVlad(config, args.size_px, args.size_px)
    model.provenance = (
        f'centres and whitening learned on {len(frames)} images of {", ".join(args.images)}, '
        f'seed {args.seed}'
    )
    learn(model, frames, args.seed)
    save_rootsift(model, args.out)
    return f'{args.out}: {model.name}, {model.provenance}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('rootsift', __doc__)
    parser.add_argument(
        '--images', nargs='+', required=True, help='training images, PATH [COLUMN=VALUE ...]'
    )
    parser.add_argument('--out', type=Path, required=True, help='file to write, .safetensors')
    parser.add_argument('--dim', type=int, default=RootSiftConfig.descriptor_dim, help='D')
    parser.add_argument('--clusters', type=int, default=RootSiftConfig.clusters, help='K')
    parser.add_argument('--size-px', type=int, default=320, help='side of the input')
    parser.add_argument('--seed', type=seed, default=0, help='of the sample and of k-means')
    args = parser.parse_args(arguments)
    return finish('rootsift', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
