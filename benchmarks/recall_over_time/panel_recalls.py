"""Recall@1 of every method on the panel, cached in a file."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.recall_over_time.method import NOT_LEARNED, Describer, Files, Method, similarities
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.whole_file import write_whole
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from training.evaluate import prefix
from training.measure.panel import Panel, part_scores
from training.measure.protocols import Protocol

Recalls = dict[str, dict[str, Any]]
"""Key of a method, see `key_of` -> its recall by descriptor size."""


class PanelImages:
    """Cache of the decoded images of a panel, by root and name."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], NDArray[np.uint8]] = {}

    def of(self, root: str, frame: Frame) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3).

        Raises:
            ImageError: the image cannot be read.
        """
        key = (root, frame.name)
        if key not in self._known:
            self._known[key] = frame.load()
        return self._known[key]


def panel_identity(panel: Panel) -> str:
    """16 digits of a hash of the panel's images and ground truth."""
    identities = [each.identity for each in panel.protocols]
    return hashlib.sha256(json.dumps(identities).encode()).hexdigest()[:16]


def key_of(method: Method, describer: Describer, identity: str) -> str:
    """Key of a cached recall: method, version of its descriptors, panel."""
    return f'{method.recall_name} | {describer.version} | {identity}'


def name_of(key: str) -> str:
    """The `recall_name` in a key."""
    return key.partition(' | ')[0]


def recall_for(key: str, recalls: Recalls) -> dict[str, Any] | None:
    """The recall of a timed method, by descriptor size; None if unknown.

    A method that was timed with a random vocabulary gets the recall of its learned one.
    """
    if key in recalls or f'| {NOT_LEARNED} |' not in key:
        return recalls.get(key)
    same = [each for other, each in recalls.items() if name_of(other) == name_of(key)]
    return same[0] if same else None


def read_recalls(path: Path) -> Recalls:
    """The cached recalls; empty without the file."""
    if not path.is_file():
        return {}
    found: Recalls = json.loads(path.read_text())['recalls']
    return found


def measure_recalls(
    methods: Sequence[Method], panel: Panel, files: Files, path: Path
) -> tuple[Recalls, dict[str, str]]:
    """Recalls of all methods, and the errors of methods without; written after each method.

    Args:
        methods: with recall.
        panel: with all parts.
        files: graphs and learned parameters; missing ones are created.
        path: JSON file of the cache.
    """
    known, skipped = read_recalls(path), {}
    found: Recalls = {}
    images, identity = PanelImages(), panel_identity(panel)
    for method in methods:
        began = time.monotonic()
        try:
            describer = method.make(files)
            key = key_of(method, describer, identity)
            if key not in known:
                known[key] = recall_of(method, describer, panel, images)
                write_whole(path, as_json(known), durable=False)
        except GhostVprError as error:
            skipped[method.name] = str(error)
            print(f'{method.name}: {error}', file=sys.stderr, flush=True)
            continue
        found[key] = known[key]
        text = ', '.join(f'{d}-D {each["panel"]:.1f}' for d, each in found[key].items())
        spent_s = time.monotonic() - began
        print(f'{method.name}: {text} ({spent_s:.0f} s)', file=sys.stderr, flush=True)
    names = {method.recall_name for method in methods if method.name not in skipped}
    kept = {key: each for key, each in known.items() if name_of(key) not in names}
    write_whole(path, as_json({**kept, **found}), durable=False)
    return found, skipped


def as_json(recalls: Recalls) -> bytes:
    """The content of the file."""
    return (json.dumps({'recalls': recalls}, indent=1) + '\n').encode()


def recall_of(
    method: Method, describer: Describer, panel: Panel, images: PanelImages
) -> dict[str, Any]:
    """Recall@1 of the panel and its parts in percent, and its standard error, by descriptor size.

    Raises:
        ImageError: an image cannot be read.
    """
    known: dict[tuple[str, str], NDArray[np.float32]] = {}

    def described(root: str, frames: Sequence[Frame]) -> NDArray[np.float32]:
        for frame in frames:
            if (root, frame.name) not in known:
                known[root, frame.name] = describer.describe(images.of(root, frame))
        return np.stack([known[root, frame.name] for frame in frames])

    right: dict[int, dict[str, list[int]]] = {}
    for protocol in panel.protocols:
        database = described(protocol.roots[0], protocol.database)
        queries = described(protocol.roots[1], protocol.queries)
        whole = queries.shape[-1]
        for dim in (whole, *method.shorter):
            found = right_at_1(_cut(queries, dim), _cut(database, dim), protocol.truth)
            right.setdefault(dim, {})[protocol.name] = found
    return {str(dim): _scores(panel, each) for dim, each in right.items()}


def _cut(descriptors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    return descriptors if dim == descriptors.shape[-1] else prefix(descriptors, dim)


def right_at_1(
    queries: NDArray[np.float32], database: NDArray[np.float32], truth: GroundTruth
) -> list[int]:
    """1 or 0 for each query with a positive: whether the most similar row is one.

    Args:
        queries: (Q, D), or (Q, n, C) local features.
        database: (N, D), or (N, n, C).
        truth: of these two, with the pairs to exclude.
    """
    alike = np.stack([similarities(each, database) for each in queries])
    every = np.tile(np.arange(len(database)), (len(queries), 1))
    alike[truth.excluded.mask(every)] = -np.inf
    first = alike.argmax(axis=1)[:, np.newaxis]
    correct = truth.positives.mask(first)[truth.positives.counts() > 0, 0]
    return [int(each) for each in correct]


def _scores(panel: Panel, right: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    parts = part_scores(panel, right)
    return {
        'panel': float(np.mean(list(parts.values()))),
        'standard_error': standard_error(panel.parts, right),
        'parts': parts,
        'right_at_1': {name: ''.join(map(str, each)) for name, each in right.items()},
    }


def standard_error(
    parts: Mapping[str, Sequence[Protocol]], right: Mapping[str, Sequence[int]]
) -> float:
    """Binomial standard error of the panel's recall, in points.

    A part is the mean of its protocols, and the panel the mean of its parts.
    """
    variance = 0.0
    for protocols in parts.values():
        for each in protocols:
            answers = np.asarray(right[each.name])
            weight = 1.0 / (len(parts) * len(protocols))
            variance += weight**2 * float(answers.var()) / len(answers)
    return 100.0 * variance**0.5
