"""Fit a network's projection to places, and keep it only if recall improves.

Part of the area, separated by a margin, is held out of training; recall on it before and after
decides.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Progress
from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.provenance import without
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import model_from_bytes, model_to_bytes
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.replay.config import ProjectionConfig, TupleConfig
from ghost_vpr_ros.replay.evaluation.evaluator import rank_database
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from ghost_vpr_ros.replay.fine_tuning.projection import train_projection
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.positives import WeakLabels, revisited, weak_labels
from ghost_vpr_ros.replay.places.truth import place_set_truth

HELD_OUT_SHARE = 0.3
"""Share of the queries held out, at one end of the area's longer side."""

LEAST_IMAGES = 4


@dataclass(frozen=True)
class Parts:
    """The part to train on and the part held out, with a margin between them.

    Attributes:
        labels: of the part to train on.
        judged: the part held out; rows are those of the whole set.
        truth: of the part held out.
    """

    labels: WeakLabels
    judged: PlaceSet
    truth: GroundTruth


@dataclass(frozen=True)
class Outcome:
    """The effect of a fine-tuning on the part held out.

    Attributes:
        before: recall@1 in percent, before training.
        after: recall@1 in percent of the trained projection, as it is stored.
        gained: queries that are correct only with the trained projection.
        lost: queries that are correct only with the former projection.
        queries: held-out queries with a positive.
    """

    before: float
    after: float
    gained: int
    lost: int
    queries: int

    @property
    def is_better(self) -> bool:
        """Whether the trained projection is kept."""
        return self.gained > self.lost

    def sentence(self) -> str:
        """The result in words."""
        found = (
            f'held-out part, {self.queries} queries: recall@1 {self.before:.1f} % before, '
            f'{self.after:.1f} % after ({self.gained} gained, {self.lost} lost)'
        )
        if self.is_better:
            return f'{found}; the trained projection is kept'
        return f'{found}; nothing got better, so the weights are as they were'


def check_trainable(model: VprModel, where: str) -> None:
    """Refuse a network that has no projection to train.

    Raises:
        WeightsError: it has no whitening.
    """
    if not isinstance(model.whitening, Whitening):
        raise WeightsError(
            f'{where}: expected weights with whitening, whose projection is trained, found none; '
            'start from weights of this package'
        )


def divided(places: PlaceSet, tuples: TupleConfig) -> Parts:
    """The places to train on and the places held out, all of them checked.

    Args:
        places: N images with positions.
        tuples: distances of positives and negatives, in training and in evaluation.

    Raises:
        SourceError: fewer than two places, no revisits, or a part without images.
    """
    used = np.union1d(places.queries, places.database)
    if len(used) < LEAST_IMAGES:
        raise SourceError(
            f'{places.name}: expected at least {LEAST_IMAGES} images of at least two places, '
            f'found {len(used)}; add photos'
        )
    queries = revisited(places, tuples)
    if not len(queries):
        raise SourceError(_no_revisits(places, tuples))
    fitted, judged = _held_out(replace(places, queries=queries), tuples.negative_distance_m)
    labels = weak_labels(fitted, tuples)
    return Parts(labels, judged, place_set_truth(judged, tuples.positive_distance_m))


def _no_revisits(places: PlaceSet, tuples: TupleConfig) -> str:
    of_another = '' if places.visit is None else ' of another visit'
    lower = (
        f' (images less than {places.visit_gap} s apart are of one visit: revisit_after_s)'
        if places.visit_gap > 1
        else ''
    )
    return (
        f'{places.name}: expected places that were visited more than once, found none of '
        f'{len(places.queries)} images with another one{of_another} within '
        f'{tuples.positive_distance_m:g} m{lower}; add a second drive, or photos of the same '
        'places taken at another time'
    )


def _held_out(places: PlaceSet, margin_m: float) -> tuple[PlaceSet, PlaceSet]:
    """The set to train on and the set held out.

    Raises:
        SourceError: all images are at one place, or a part has no queries or no database.
    """
    used = np.union1d(places.queries, places.database)
    centre = places.positions_m[used].mean(axis=0)
    axis = np.linalg.svd(places.positions_m[used] - centre, full_matrices=False).Vh[0]
    along = (places.positions_m - centre) @ axis
    length_m = float(np.ptp(along[used]))
    if not length_m > 2.0 * margin_m:
        raise SourceError(
            f'{places.name}: expected places that lie more than {2.0 * margin_m:g} m apart, found '
            f'{length_m:.1f} m in all; a part is held out to judge by, so add photos of a '
            'larger area'
        )
    border = np.quantile(along[places.queries], 1.0 - HELD_OUT_SHARE)
    return (
        _part(places, along < border - margin_m, 'to train on'),
        _part(places, along >= border, 'held out'),
    )


def _part(places: PlaceSet, is_inside: NDArray[np.bool_], what: str) -> PlaceSet:
    queries = places.queries[is_inside[places.queries]]
    database = places.database[is_inside[places.database]]
    if not (len(queries) and len(database)):
        raise SourceError(
            f'{places.name}: expected queries and database images in the part {what}, found '
            f'{len(queries)} and {len(database)}; add photos, or check who is query'
        )
    return replace(places, queries=queries, database=database, name=f'{places.name} ({what})')


def finetune(
    model: VprModel,
    parts: Parts,
    descriptors: NDArray[np.floating],
    config: ProjectionConfig,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[VprModel, Outcome]:
    """The model with a projection fitted to these places, or unchanged if recall did not improve.

    Args:
        model: with whitening; it is not changed.
        parts: to train on and held out.
        descriptors: (N, K * C) of all images before the whitening.
        config: of the training.
        seed: of all random choices.
        progress: called with 1 after each step.

    Raises:
        WeightsError: the model has no whitening, or the loss is not finite.
    """
    check_trainable(model, 'finetune')
    before = model.whitening
    assert isinstance(before, Whitening)
    trained = train_projection(before, descriptors, parts.labels, config, seed, progress)
    result = _as_stored(model, trained, parts.labels)
    assert isinstance(result.whitening, Whitening)
    outcome = _judged((before, result.whitening), descriptors, parts)
    return (result if outcome.is_better else model), outcome


def _as_stored(model: VprModel, trained: Whitening, labels: WeakLabels) -> VprModel:
    """The model with this projection, rounded as in its weights file."""
    result = copy.deepcopy(model)
    result.whitening = trained
    before = without(model.provenance, 'projection')
    name = labels.places.name.removesuffix(' (to train on)')
    result.provenance = f'{before}; projection trained on {len(labels.queries)} queries of {name}'
    return model_from_bytes(model_to_bytes(result, half=True), 'fine-tuned weights')


def _judged(
    pair: tuple[Whitening, Whitening], descriptors: NDArray[np.floating], parts: Parts
) -> Outcome:
    first, second = (_right_at_1(each, descriptors, parts) for each in pair)
    return Outcome(
        100.0 * float(first.mean()),
        100.0 * float(second.mean()),
        int((second & ~first).sum()),
        int((first & ~second).sum()),
        len(first),
    )


@torch.no_grad()
def _right_at_1(
    whitening: Whitening, descriptors: NDArray[np.floating], parts: Parts
) -> NDArray[np.bool_]:
    """(Q,) whether the first answer is correct, for each query with a positive."""
    queries, database = (
        whitening(torch.from_numpy(np.asarray(descriptors[rows], np.float32))).numpy()
        for rows in (parts.judged.queries, parts.judged.database)
    )
    rows, _ = rank_database(queries, database, parts.truth)
    positives = parts.truth.positives
    right: NDArray[np.bool_] = positives.mask(rows)[positives.counts() > 0, 0]
    return right
