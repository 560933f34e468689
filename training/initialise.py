"""Write an initialised network: clusters from images, trunk random or from weights.

Usage: `python -m training.initialise --config training/configs/NAME.yaml --out FILE`.
`--images SOURCE` replaces the configuration's training images, `--init WEIGHTS` the random trunk.
Matching clusters in these weights are kept, unless `--images` is given.

Source: NetVLAD (journal version), Section 6.1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.command import add_experiment_options
from training.datasets.open_place_set import open_database
from training.entry import finish, new_parser
from training.experiment import read_experiment
from training.head.starting_model import starting_model
from training.loop.trunk_memory import add_maps_option


def _run(args: argparse.Namespace) -> str:
    if args.out.exists():
        raise OutputError(f'{args.out}: exists already and is not changed; name another')
    changes = [*args.set, *([f'init={args.init}'] if args.init else [])]
    experiment = read_experiment(args.config, changes)
    if args.images is None:
        frames, source = open_database(experiment.data_part('train'))
    else:
        images = open_source(args.images)
        frames, source = list(images.frames), images.name
    anew = args.images is not None
    model = starting_model(experiment, frames, args.maps, source=source, anew=anew)
    save_model(model, args.out)
    return f'{args.out}: {model.name}, {model.provenance}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('initialise', __doc__)
    add_experiment_options(parser)
    parser.add_argument(
        '--images',
        help='folder, manifest or bag to initialise the clusters on; default: data.train',
    )
    parser.add_argument('--out', type=Path, required=True, help='weights file to write')
    parser.add_argument('--init', help='weights to take the trunk from; default: random')
    add_maps_option(parser)
    args = parser.parse_args(arguments)
    return finish('initialise', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
