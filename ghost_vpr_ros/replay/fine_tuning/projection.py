"""Train the projection on places: a linear layer that is initialised as the whitening.

Source: NetVLAD (journal version), Section 6.2, adds a linear layer after NetVLAD; here it starts
as the whitening. Trunk and clusters are frozen, so every image is described once, and a step costs
two matrix products.

# Deviation: the ranking loss over hard negatives is replaced by its smooth form over all definite
negatives in memory: log(1 + sum_n exp((s(q, n) - s(q, p*)) / t)), with the best potential positive
p* as in Eq. 5. A penalty on the distance from the whitening preserves its performance on places
that the training set lacks.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.datatypes import Progress
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.replay.config import ProjectionConfig
from ghost_vpr_ros.replay.places.positives import WeakLabels


def train_projection(
    whitening: Whitening,
    descriptors: NDArray[np.floating],
    labels: WeakLabels,
    config: ProjectionConfig,
    seed: int = 0,
    progress: Progress | None = None,
) -> Whitening:
    """A copy of the whitening whose projection is trained to separate the places.

    Args:
        whitening: to start from.
        descriptors: (N, K * C) unit norm, unwhitened, of the images of `labels.places`.
        labels: potential positives and definite negatives.
        config: settings of the training.
        seed: of the choice of queries and database images.
        progress: called with 1 after each step.

    Raises:
        WeightsError: the loss is not finite.
    """
    rng = np.random.default_rng(seed)
    start = whitening.projection.detach().clone()
    scale = start.square().mean().sqrt()
    moved = nn.Parameter(torch.zeros_like(start))
    optimiser = torch.optim.Adam([moved], config.learning_rate)
    centred = torch.from_numpy(np.asarray(descriptors, np.float32)) - whitening.mean.detach()
    for step in range(config.steps):
        queries, database = _drawn(labels, config, rng)
        projection = start + scale * moved
        query = nn.functional.normalize(centred[queries] @ projection.T, dim=1)
        found = nn.functional.normalize(centred[database] @ projection.T, dim=1)
        loss = ranking_loss(query @ found.T, *_masks(labels, queries, database), config)
        loss = loss + config.anchor * moved.square().mean()
        if not bool(loss.isfinite()):
            raise WeightsError(
                f'projection: the loss of step {step} is {loss.item()}; lower '
                'projection.learning_rate'
            )
        optimiser.param_groups[0]['lr'] = config.learning_rate * (1.0 - step / config.steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress:
            progress(1)
    trained = Whitening(start.shape[1], start.shape[0])
    trained.set_projection(whitening.mean.detach(), (start + scale * moved).detach())
    return trained


def ranking_loss(
    similarity: Tensor, positive: Tensor, negative: Tensor, config: ProjectionConfig
) -> Tensor:
    """Mean over queries of log(1 + sum_n exp((s(q, n) - s(q, p*)) / t)).

    Args:
        similarity: (Q, M).
        positive: (Q, M) bool, potential positives, at least one for each query.
        negative: (Q, M) bool, definite negatives.
        config: the temperature t.
    """
    nothing = torch.finfo(similarity.dtype).min
    best = similarity.masked_fill(~positive, nothing).max(dim=1, keepdim=True).values
    gaps = ((similarity - best) / config.temperature).masked_fill(~negative, nothing)
    zero = torch.zeros_like(best)
    return torch.logsumexp(torch.cat([zero, gaps], dim=1), dim=1).mean()


def _drawn(
    labels: WeakLabels, config: ProjectionConfig, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of a step's queries, and of its database images: their positives and random ones."""
    count = min(config.queries_per_step, len(labels.queries))
    queries = np.sort(rng.choice(labels.queries, count, replace=False))
    own = np.concatenate([labels.positives(int(query)) for query in queries])
    others = rng.permutation(labels.database)[: config.database_per_step]
    return queries, np.union1d(own, others)


def _masks(
    labels: WeakLabels, queries: NDArray[np.int64], database: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """(Q, M) bool each: potential positives, and definite negatives."""
    positive = np.stack([np.isin(database, labels.positives(int(query))) for query in queries])
    negative = np.stack([labels.are_negatives(int(query), database) for query in queries])
    return torch.from_numpy(positive), torch.from_numpy(negative)
