"""Write a network before its training: clusters from images, trunk untrained or from weights.

Use: `python -m training.initialise --config training/configs/NAME.yaml --out FILE`, with
`--images SOURCE` instead of the configuration's training images, with `--init WEIGHTS` instead of
a random trunk. Clusters of these weights that fit are kept, unless `--images` names other images.

Source: NetVLAD (journal version), Section 6.1; what every training starts from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.command import add_experiment_options
from training.datasets.open_place_set import open_place_set
from training.entry import finish, new_parser
from training.experiment import Experiment, read_experiment
from training.head.starting_model import starting_model
from training.loop.trunk_memory import add_maps_option


def initialise(
    experiment: Experiment,
    frames: Sequence[Frame],
    source: str,
    maps: Path | None = None,
    *,
    anew: bool = False,
) -> VprModel:
    """The experiment's network, its pooling set from at most 500 of the frames, spread evenly.

    With `anew` also where the weights to start from have clusters that fit.

    Raises:
        ImageError: an image cannot be read.
        SourceError: too few local features for K clusters, or label maps that do not fit.
        ConfigError: whitening is requested, or no label maps are named for a pooling that starts
            from them.
        WeightsError: the weights to start from do not fit.
    """
    return starting_model(experiment, frames, maps, source=source, anew=anew)


def _frames(experiment: Experiment, images: str | None) -> tuple[Sequence[Frame], str]:
    """Images to initialise with, and what they are."""
    if images is not None:
        source = open_source(images)
        return source.frames, source.name
    sets = [open_place_set(config) for config in experiment.data_part('train')]
    frames = [places.frames[row] for places in sets for row in places.database]
    return frames, ', '.join(places.name for places in sets)


def _run(args: argparse.Namespace) -> str:
    if args.out.exists():
        raise OutputError(f'{args.out}: exists already and is not changed; name another')
    changes = [*args.set, *([f'init={args.init}'] if args.init else [])]
    experiment = read_experiment(args.config, changes)
    frames, source = _frames(experiment, args.images)
    anew = args.images is not None
    model = initialise(experiment, frames, source, args.maps, anew=anew)
    save_model(model, args.out)
    return f'{args.out}: {model.name}, {model.provenance}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('initialise', __doc__)
    add_experiment_options(parser)
    parser.add_argument(
        '--images',
        help='folder, manifest or bag that the clusters are set from; default: data.train',
    )
    parser.add_argument('--out', type=Path, required=True, help='weights file to write')
    parser.add_argument('--init', help='weights whose trunk is taken; default: a random one')
    add_maps_option(parser)
    args = parser.parse_args(arguments)
    return finish('initialise', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
