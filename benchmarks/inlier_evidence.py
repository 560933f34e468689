"""How many inliers right and wrong candidates have: thresholds and likelihoods of verification.

Learns from the validation split of `gsv_cambridge` (right: within 10 m in the same heading; wrong:
the two most similar beyond 50 m), reports what it means there and on `gardens_point` (right: the
same frame; wrong: the most similar frame 10 or more away), which decides nothing. Prints the rows
of `core/probability/inlier_evidence.py` and, with --time, how long three candidates take at
640x480.

    GHOST_VPR_DATA=DATA python benchmarks/inlier_evidence.py --time
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.verification import FEATURES, VerificationConfig
from ghost_vpr_ros.core.datatypes import Candidate, Frame, Keyframe
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.core.map.views import Views
from ghost_vpr_ros.core.model.default_weights import load_default_model
from ghost_vpr_ros.core.probability.inlier_evidence import FREE_INLIERS, InlierEvidence
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier, VerifiedCandidate
from ghost_vpr_ros.core.verification.patch_features import PatchExtractor
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from ghost_vpr_ros.replay.sources.image_sources import open_source

RIGHT_M = 10.0
WRONG_M = 50.0
WRONG_PER_QUERY = 2
FALSE_RATE = 0.01
REPEATS = 30
Pair = tuple[int, int]


@dataclass(frozen=True)
class Pairs:
    """Images, and pairs of their numbers that show the same place or do not."""

    images: list[NDArray[np.uint8]]
    right: list[Pair]
    wrong: list[Pair]


def similarities(frames: Sequence[Frame]) -> NDArray[np.float32]:
    """(N, N) cosine similarities by the shipped network."""
    model = load_default_model()
    rows = extract_descriptors(frames, model, create_engine(model))
    return rows @ rows.T


def validation_pairs(data: Path) -> Pairs:
    """Pairs of the validation split."""
    frames = open_source(data / 'gsv_cambridge', where={'split': 'val'}).frames
    geos = [frame.geo for frame in frames if frame.geo is not None]
    local = LocalFrame(geos[0])
    positions = np.array([local.point_to_enu(geo) for geo in geos])[:, :2]
    gap_m = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    yaws = np.array([heading_of(f) for f in frames])
    panorama = np.array([frame.panorama for frame in frames])
    same = (yaws[:, None] == yaws[None]) & (panorama[:, None] != panorama[None])
    right = [tuple(p) for p in np.argwhere(np.triu(same & (gap_m <= RIGHT_M))).tolist()]
    wrong = most_similar(similarities(frames), gap_m > WRONG_M, WRONG_PER_QUERY)
    return Pairs([frame.load() for frame in frames], right, wrong)


def heading_of(frame: Frame) -> str:
    """The heading of a frame as a text to compare."""
    assert frame.pose is not None and frame.pose.quaternion_xyzw is not None
    return np.array2string(frame.pose.quaternion_xyzw.round(3))


def most_similar(
    similarity: NDArray[np.float32], allowed: NDArray[np.bool_], k: int
) -> list[Pair]:
    """The `k` most similar allowed images of each image, as a search would return them."""
    ranked = np.argsort(-np.where(allowed, similarity, -np.inf), axis=1)[:, :k]
    return [(row, int(column)) for row, found in enumerate(ranked) for column in found]


def walk_pairs(data: Path) -> Pairs:
    """Every fourth frame of the walk on the left and on the right."""
    sides = [
        open_source(data / 'gardens_point' / f'day_{s}').frames[::4] for s in ('left', 'right')
    ]
    count = len(sides[0])
    frames = [*sides[0], *sides[1]]
    number = np.tile(4 * np.arange(count), 2)
    is_other = np.repeat([0, 1], count)
    allowed = (np.abs(number[:, None] - number) >= 10) & (is_other[:, None] != is_other)
    wrong = most_similar(similarities(frames), allowed, 1)
    right = [(i, i + count) for i in range(count)]
    return Pairs([frame.load() for frame in frames], right, wrong)


def verified(
    pairs: Pairs, chosen: list[Pair], config: VerificationConfig
) -> list[VerifiedCandidate]:
    """Each pair through the verifier, without any calibration; each query's together."""
    most = replace(config, candidates=100, cache_keyframes=1000)
    verifier = shipped_verifier(lambda number: pairs.images[number], most)
    found: list[VerifiedCandidate] = []
    for query, group in groupby(sorted(chosen), key=lambda pair: pair[0]):
        candidates = [Candidate(keyframe(row), 0.5) for _, row in group]
        found += verifier.verify(pairs.images[query], candidates).items
    return found


def shipped_verifier(views: Views, config: VerificationConfig) -> GeometricVerifier:
    """The verifier of this name, with the shipped network where it needs one."""
    model = load_default_model()
    network = PatchExtractor(create_engine(model), model.preprocessing, config)
    return GeometricVerifier(views, None, config, network)


def keyframe(number: int) -> Keyframe:
    """A keyframe of that id."""
    return Keyframe(number, 'pairs', number, str(number))


def learn(right: NDArray[np.int64], wrong: NDArray[np.int64]) -> InlierEvidence:
    """Logistic regression by Newton's method; equal classes."""
    x = np.maximum(np.concatenate([right, wrong]) - FREE_INLIERS, 0)
    label = np.repeat([1.0, 0.0], [len(right), len(wrong)])
    weight = np.repeat([0.5 / len(right), 0.5 / len(wrong)], [len(right), len(wrong)])
    design = np.column_stack([x, np.ones(len(x))])
    beta = np.zeros(2)
    for _ in range(300):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -30.0, 30.0)))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (weight * (label - p)))
        beta += np.clip(step, -1.0, 1.0)
    least = int(np.quantile(wrong, 1 - FALSE_RATE, method='higher')) + 1
    return InlierEvidence(
        round(float(beta[1]), 2), round(float(beta[0]), 2), float(len(wrong)), least
    )


def report(name: str, right: list[VerifiedCandidate], wrong: list[VerifiedCandidate]) -> None:
    """Quantiles of inliers and cells, and how many are verified."""
    for label, found in (('right', right), ('wrong', wrong)):
        inliers = np.quantile([v.candidate.inliers for v in found], (0.05, 0.5, 0.95, 1)).tolist()
        cells = np.quantile([v.cells for v in found if v.matches], (0.05, 0.5, 0.95)).tolist()
        share = np.mean([v.is_verified for v in found])
        print(
            f'{name}, {label}: {len(found)} pairs, inliers 5/50/95/100 % {inliers}, cells '
            f'5/50/95 % {cells}, verified {100 * share:.1f} %'
        )


def time_three(data: Path, config: VerificationConfig) -> None:
    """Median time of `verify` with three candidates, views new and cached."""
    frames = open_source(data / 'gardens_point' / 'day_left').frames[:4]
    images = [cv2.resize(frame.load(), (640, 480)) for frame in frames]
    views = [cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA) for image in images]
    candidates = [Candidate(keyframe(n), 0.5) for n in (1, 2, 3)]
    for capacity in (0, 10):
        chosen = replace(config, cache_keyframes=capacity)
        verifier = shipped_verifier(lambda n: views[n], chosen)
        taken_ms = [timed(verifier, images[0], candidates) for _ in range(REPEATS)]
        wall_ms, cpu_ms = (statistics.median(column) for column in zip(*taken_ms, strict=True))
        print(
            f'{config.features}, 3 candidates at 640x480, {"cached" if capacity else "new"}: '
            f'median {wall_ms:.1f} ms, of CPU {cpu_ms:.1f} ms, '
            f'{cv2.getNumThreads()} thread(s), load {os.getloadavg()[0]:.1f}'
        )


def timed(
    verifier: GeometricVerifier, image: NDArray[np.uint8], candidates: list[Candidate]
) -> tuple[float, float]:
    """Milliseconds of one call: on the clock, and of CPU, which other programs do not change."""
    started, cpu_before = time.perf_counter(), time.process_time()
    verifier.verify(image, candidates)
    wall_s = time.perf_counter() - started
    return 1e3 * wall_s, 1e3 * (time.process_time() - cpu_before)


def main() -> None:
    """Learn, report, print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--time', action='store_true', help='only measure how long it takes')
    parser.add_argument('--threads', type=int, default=1, help='threads of OpenCV')
    parser.add_argument('--features', nargs='+', choices=FEATURES, default=FEATURES, help='these')
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    data = Path(os.environ['GHOST_VPR_DATA'])
    configs = [VerificationConfig(features=kind) for kind in options.features]
    if options.time:
        for config in configs:
            time_three(data, config)
        return
    learning, walk = validation_pairs(data), walk_pairs(data)
    for config in configs:
        right, wrong = (verified(learning, p, config) for p in (learning.right, learning.wrong))
        counts = [np.array([v.candidate.inliers for v in group]) for group in (right, wrong)]
        print(f'{config.features!r}: {learn(*counts)},')
        report(f'{config.features}, gsv_cambridge val', right, wrong)
        walked = (verified(walk, p, config) for p in (walk.right, walk.wrong))
        report(f'{config.features}, gardens_point', *walked)


if __name__ == '__main__':
    main()
