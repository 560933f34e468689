r"""Learn a network's general likelihood, for maps that are too small to learn their own.

On training places, the best match within 10 m counts as right and the best one beyond 50 m as
wrong. The result is a file next to the weights.

    python -m training.general_calibration DATA/gsv_cambridge --where split=train \
        --out ghost_vpr_ros/weights/general_calibration.json
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.engine.networks_of_others import stored_model
from ghost_vpr_ros.core.errors import CalibrationError
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.probability.general import GeneralCalibration
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from ghost_vpr_ros.replay.evaluation.calibration_fit import fit_margin_logistic
from ghost_vpr_ros.replay.evaluation.ground_truth import horizontal_positions
from ghost_vpr_ros.replay.output_files import check_output_file, write_file
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.datasets.data_config import conditions
from training.entry import finish, new_parser

RIGHT_M, WRONG_M = 10.0, 50.0
_LEAST = 20
_SAME_ODDS = 99.0


def best_matches(
    descriptors: NDArray[np.float32],
    points: NDArray[np.float64],
    panoramas: Sequence[str | None] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Similarities of the best nearby match and of the best distant one, of images that have one.

    Args:
        descriptors: (N, D) float32, unit norm.
        points: (N, 2) metres.
        panoramas: of each image, None if it has none: images of one panorama are not matched.
    """
    right: list[float] = []
    wrong: list[float] = []
    names = np.array(panoramas if panoramas is not None else [None] * len(points), object)
    for row, point in enumerate(points):
        similarity = descriptors @ descriptors[row]
        distance_m = np.linalg.norm(points - point, axis=1)
        same = np.arange(len(points)) == row
        if names[row] is not None:
            same |= names == names[row]
        for found, chosen in ((right, distance_m <= RIGHT_M), (wrong, distance_m > WRONG_M)):
            if (chosen & ~same).any():
                found.append(float(similarity[chosen & ~same].max()))
    return np.array(right), np.array(wrong)


def learn(
    right: NDArray[np.float64], wrong: NDArray[np.float64], learnt_on: str, model_hash: str
) -> GeneralCalibration:
    """The calibration from similarities of right (n,) and wrong (m,) matches.

    Raises:
        CalibrationError: too few of either, or right matches are not more similar.
    """
    if min(len(right), len(wrong)) < _LEAST:
        raise CalibrationError(
            f'{learnt_on}: expected at least {_LEAST} right and {_LEAST} wrong matches, found '
            f'{len(right)} and {len(wrong)}; use more images of revisited places'
        )
    similarity = np.concatenate([right, wrong])
    is_right = np.arange(len(similarity)) < len(right)
    weights = np.where(is_right, 1.0 / len(right), 1.0 / len(wrong)) * len(similarity) / 2.0
    slope, intercept = fit_margin_logistic(similarity, is_right, weights)
    most = float(wrong.max())
    # An identical image is always right, so the curve is at least this steep.
    slope = max(slope, math.log(_SAME_ODDS) / (1.0 - most))
    return GeneralCalibration(
        slope=slope,
        intercept=min(intercept, -slope * most),
        right_similarity=float(np.percentile(right, 10.0)),
        num_right=len(right),
        num_wrong=len(wrong),
        learnt_on=learnt_on,
        model_hash=model_hash,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Learn and write; the exit status."""
    parser = new_parser('general_calibration', __doc__)
    parser.add_argument('source', help='folder, CSV manifest or bag with positions')
    parser.add_argument('--where', action='append', default=[], metavar='COLUMN=VALUE')
    parser.add_argument('--model', help='weights, an ONNX file or torchvision:NAME')
    parser.add_argument('--out', required=True, type=Path, metavar='JSON')
    args = parser.parse_args(argv)

    def work() -> str:
        check_output_file(args.out)
        where = conditions(tuple(args.where))
        model = stored_model(args.model) if args.model else default_weights()
        frames = open_source(args.source, where=where).frames
        located: list[Frame] = [frame for frame in frames if frame.has_position]
        if not located:
            raise CalibrationError(
                f'{args.source}: expected images with positions, found none among {len(frames)}'
            )
        points, _ = horizontal_positions(located, located)
        with closing(create_engine(model)) as engine:
            descriptors = extract_descriptors(located, model, engine)
        matches = best_matches(descriptors, points, [frame.panorama for frame in located])
        name = ' '.join([Path(args.source).name, *args.where])
        learned = learn(*matches, name, model.model_hash)
        write_file(args.out, learned.to_json())
        return learned.to_json()

    return finish('general_calibration', work)


if __name__ == '__main__':
    sys.exit(main())
