"""Write the weights of an untrained network: seeded random trunk, clusters from images.

    python -m training.initialise --config training/configs/NAME.yaml --images SOURCE --out FILE

Source: NetVLAD (journal version), Section 5.1; the baseline that every training starts from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ghost_vpr_ros.core.config import MAX_INITIALISATION_IMAGES
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import GhostVprError, OutputError
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.image_sources import open_source
from training.experiment import Experiment, read_experiment


def initialise(experiment: Experiment, frames: Sequence[Frame], source: str) -> VprModel:
    """The experiment's network, initialised on at most 500 of the frames, spread evenly.

    Raises:
        ImageError: an image cannot be read.
        SourceError: too few local features for K clusters.
        ConfigError: too few images for the whitening's D.
    """
    chosen = [frames[i] for i in evenly_spaced(len(frames), MAX_INITIALISATION_IMAGES)]
    model = build_untrained(
        experiment.model, experiment.preprocessing, _images(chosen), experiment.seed
    )
    model.provenance = (
        f'untrained: random weights of seed {experiment.seed}, clusters initialised on '
        f'{len(chosen)} of {len(frames)} images of {source}'
    )
    return model


def _images(frames: Sequence[Frame]) -> Iterator[NDArray[np.uint8]]:
    for frame in tqdm(frames, 'initialise', unit='image', disable=not sys.stderr.isatty()):
        yield frame.load()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = argparse.ArgumentParser(prog='training.initialise', description=__doc__)
    parser.add_argument('--config', type=Path, required=True, help='experiment, YAML')
    parser.add_argument('--images', required=True, help='folder, manifest or bag')
    parser.add_argument('--out', type=Path, required=True, help='weights file to write')
    args = parser.parse_args(arguments)
    try:
        if args.out.exists():
            raise OutputError(f'{args.out}: exists already and is left as it is; name another')
        experiment = read_experiment(args.config)
        source = open_source(args.images)
        model = initialise(experiment, source.frames, source.name)
        save_model(model, args.out)
    except GhostVprError as error:
        sys.stderr.write(f'training.initialise: error: {error}\n')
        return 1
    sys.stdout.write(f'{args.out}: {model.name}, {model.provenance}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
