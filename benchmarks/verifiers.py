"""How well local features distinguish places: SIFT, ORB, and the network's feature map.

Learns the least number of inliers, and the evidence of each number, on the training splits of
gsv_cambridge and bgu_campus. Counts the accepted right and wrong pairs there and on unseen data:
gsv_cambridge val, bgu_campus test by night against day, gardens_point, and the sample town. Also
counts operations and bytes of each kind. Prints the rows of
`core/probability/inlier_evidence.py`.

    python -m benchmarks.verifiers --data DATA --out benchmarks/results/verifiers.json

Milliseconds are measured only with --time, on an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.command_line import add_data_option, new_parser, new_report, write_report
from benchmarks.machine import load_average
from benchmarks.verifier_pairs import (
    Pair,
    Pairs,
    gsv_pairs,
    night_pairs,
    similarities_by,
    town_pairs,
    walk_pairs,
)
from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.verification import FEATURES, VerificationConfig
from ghost_vpr_ros.core.datatypes import Candidate, Keyframe
from ghost_vpr_ros.core.engine import Engine, create_engine
from ghost_vpr_ros.core.map.views import Views, view_of
from ghost_vpr_ros.core.model.default_weights import load_default_model
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.probability.inlier_evidence import FREE_INLIERS, InlierEvidence
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier, VerifiedCandidate
from ghost_vpr_ros.core.verification.local_features import FeatureExtractor, LocalFeatures
from ghost_vpr_ros.core.verification.patch_features import PatchExtractor
from ghost_vpr_ros.replay.evaluation.calibration_fit import most_likely

MODULE = 'benchmarks.verifiers'
LEARNED_ON = ('gsv_cambridge train', 'bgu_campus train')
FALSE_RATE = 0.01
REPEATS = 30


@dataclass(frozen=True)
class Bench:
    """The shipped network and its engine."""

    model: VprModel
    engine: Engine

    def extractor(self, config: VerificationConfig) -> FeatureExtractor | PatchExtractor:
        """The extractor of local features."""
        if config.features == 'network':
            return PatchExtractor(self.engine, self.model.preprocessing, config)
        return FeatureExtractor(config)

    def verifier(self, views: Views, config: VerificationConfig) -> GeometricVerifier:
        """The verifier with these settings, as in the recogniser."""
        network = PatchExtractor(self.engine, self.model.preprocessing, config)
        return GeometricVerifier(views, None, config, network)


def verified(
    bench: Bench, pairs: Pairs, chosen: Sequence[Pair], config: VerificationConfig
) -> list[VerifiedCandidate]:
    """Verify each pair without calibration, all pairs of a query together."""
    most = replace(config, candidates=100, cache_keyframes=1000)
    verifier = bench.verifier(lambda number: pairs.images[number](), most)
    found: list[VerifiedCandidate] = []
    for query, group in groupby(sorted(chosen), key=lambda pair: pair[0]):
        candidates = [Candidate(keyframe(row), 0.5) for _, row in group]
        found += verifier.verify(pairs.images[query](), candidates)
    verifier.close()
    return found


def keyframe(number: int) -> Keyframe:
    """A keyframe with this id."""
    return Keyframe(number, 'pairs', number, str(number))


def inliers_of(found: Sequence[VerifiedCandidate]) -> NDArray[np.int64]:
    """(n,) numbers of consistent matches."""
    return np.array([each.candidate.inliers for each in found], np.int64)


def learn(right: NDArray[np.int64], wrong: NDArray[np.int64]) -> InlierEvidence:
    """Evidence by logistic regression with equally weighted classes."""
    x = np.maximum(np.concatenate([right, wrong]) - FREE_INLIERS, 0)
    label = np.repeat([1.0, 0.0], [len(right), len(wrong)])
    weight = np.repeat([0.5 / len(right), 0.5 / len(wrong)], [len(right), len(wrong)])
    inputs = np.column_stack([x, np.ones(len(x))])
    slope, intercept = most_likely(inputs, label, weight, np.zeros(2)).tolist()
    least = int(np.quantile(wrong, 1 - FALSE_RATE, method='higher')) + 1
    return InlierEvidence(round(intercept, 2), round(slope, 2), float(len(wrong)), least)


def accepted(
    found: Sequence[VerifiedCandidate], evidence: InlierEvidence, config: VerificationConfig
) -> int:
    """Number of pairs with enough inliers in enough cells."""
    return sum(
        each.candidate.inliers >= evidence.min_inliers and each.cells >= config.min_cells
        for each in found
    )


def measure(bench: Bench, sets: dict[str, Pairs], config: VerificationConfig) -> dict[str, Any]:
    """The row of one kind of local features."""
    found = {
        name: tuple(verified(bench, pairs, part, config) for part in (pairs.right, pairs.wrong))
        for name, pairs in sets.items()
    }
    right, wrong = (
        np.concatenate([inliers_of(found[name][part]) for name in LEARNED_ON if name in found])
        for part in (0, 1)
    )
    evidence = learn(right, wrong)
    return {
        'features': config.features,
        'evidence': asdict(evidence),
        'sets': {
            name: {
                'right': len(parts[0]),
                'wrong': len(parts[1]),
                'right_accepted': accepted(parts[0], evidence, config),
                'wrong_accepted': accepted(parts[1], evidence, config),
            }
            for name, parts in found.items()
        },
        'work': work_of(bench, next(iter(sets.values())), config),
    }


def work_of(bench: Bench, pairs: Pairs, config: VerificationConfig) -> dict[str, float]:
    """Operations and bytes per frame, medians over some images."""
    images = [load() for load in pairs.images[:20]]
    extract = bench.extractor(config)
    features = [extract(image) for image in images]
    count = statistics.median(len(each) for each in features)
    views = [view_of(image, MapConfig()) or b'' for image in images]
    return {
        'features': count,
        'products_per_candidate': count**2 * features[0].descriptors.shape[1],
        'remembered_bytes': statistics.median(map(bytes_of, features)),
        'view_bytes': statistics.median(map(len, views)),
    }


def bytes_of(features: LocalFeatures) -> int:
    """Size of one keyframe's cached local features."""
    return features.points.nbytes + features.descriptors.nbytes


def time_three(bench: Bench, pairs: Pairs, config: VerificationConfig) -> dict[str, float]:
    """Median milliseconds of three candidates at 640x480, with new and with cached features."""
    images: list[Any] = [cv2.resize(load(), (640, 480)) for load in pairs.images[:4]]
    views: list[Any] = [
        cv2.resize(each, (320, 240), interpolation=cv2.INTER_AREA) for each in images
    ]
    candidates = [Candidate(keyframe(number), 0.5) for number in (1, 2, 3)]
    found: dict[str, float] = {}
    for name, capacity in (('new', 0), ('remembered', 10)):
        chosen = replace(config, cache_keyframes=capacity)
        verifier = bench.verifier(lambda number: views[number], chosen)
        taken_ms = [milliseconds(verifier, images[0], candidates) for _ in range(REPEATS)]
        found[name] = statistics.median(taken_ms)
        verifier.close()
    return {**found, 'load': load_average()}


def milliseconds(
    verifier: GeometricVerifier, image: NDArray[np.uint8], candidates: list[Candidate]
) -> float:
    """Milliseconds of one verification."""
    started_s = time.perf_counter()
    verifier.verify(image, candidates)
    return 1e3 * (time.perf_counter() - started_s)


def sets_of(options: argparse.Namespace, bench: Bench) -> dict[str, Pairs]:
    """The chosen pairs by the name of their set, those to learn on first."""
    similarities = similarities_by(bench.model, bench.engine)
    data, every = options.data, options.every
    makers: dict[str, Callable[[], Pairs]] = {
        LEARNED_ON[0]: lambda: gsv_pairs(data, 'train', similarities, 3 * every),
        LEARNED_ON[1]: lambda: night_pairs(data, 'train', similarities, every),
        'gsv_cambridge val': lambda: gsv_pairs(data, 'val', similarities, every),
        'bgu_campus test': lambda: night_pairs(data, 'test', similarities, every),
        'gardens_point': lambda: walk_pairs(data, similarities, 2 * every),
        'sample town': lambda: town_pairs(similarities, 3 * every),
    }
    found = {}
    for name, make in makers.items():
        if name not in options.without:
            found[name] = make().at_most(options.pairs)
            print(f'{name}: {len(found[name].right)} right pairs', file=sys.stderr, flush=True)
    return found


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add_data_option(parser)
    parser.add_argument(
        '--features', nargs='+', choices=FEATURES, default=FEATURES, help='kinds of features'
    )
    parser.add_argument('--every', type=int, default=1, help='use every n-th image')
    parser.add_argument('--pairs', type=int, default=0, help='limit of pairs per set; 0: all')
    parser.add_argument('--without', nargs='+', default=[], help='names of sets to leave out')
    parser.add_argument('--threads', type=int, default=1, help='threads of OpenCV')
    parser.add_argument('--time', action='store_true', help='measure milliseconds as well')
    parser.add_argument('--out', type=Path, required=True, help='JSON file for the results')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn, count, print the rows, write the report."""
    options = parse_arguments(arguments)
    cv2.setNumThreads(options.threads)
    model = load_default_model()
    bench = Bench(model, create_engine(model))
    sets = sets_of(options, bench)
    rows = []
    for kind in options.features:
        config = VerificationConfig(features=kind)
        rows.append(measure(bench, sets, config))
        if options.time:
            rows[-1]['ms'] = time_three(bench, next(iter(sets.values())), config)
        print(f'{kind!r}: {InlierEvidence(**rows[-1]["evidence"])},', flush=True)
    figures = {
        'weights': model.model_hash[:12],
        'learned_on': list(LEARNED_ON),
        'false_rate': FALSE_RATE,
        'rows': rows,
    }
    write_report(options.out, new_report('verifiers', figures, MODULE, arguments))


if __name__ == '__main__':
    main()
