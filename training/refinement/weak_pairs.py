"""Pairs of photos of one place, from positions and the descriptors of a trained network.

Photos at nearby positions may show the same place (NetVLAD, Section 4). The most similar photo
within reach is the best potential positive (Eq. 5); two photos that are each other's best
potential positive count as views of one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.places.place_set import PlaceSet


@dataclass(frozen=True)
class PairConfig(Config):
    """Limits of the pairs; `pairs` in an experiment's YAML file."""

    distance_m: float = setting(10.0, 'largest distance of a pair', unit='m', low=0.0, high=1e4)


def mutual_pairs(
    places: PlaceSet, descriptors: NDArray[np.float32], config: PairConfig
) -> NDArray[np.int64]:
    """(P, 2) rows of a query and a database image, each other's most similar within reach.

    Args:
        places: N photos with positions.
        descriptors: (N, D) unit norm.
        config: the distance.

    Raises:
        SourceError: there is no such pair.
    """
    queries, database = places.queries, places.database
    offset_m = places.positions_m[queries][:, None] - places.positions_m[database][None]
    may = np.linalg.norm(offset_m, axis=2) <= config.distance_m
    may &= queries[:, None] != database[None]
    similarity = np.where(may, descriptors[queries] @ descriptors[database].T, -np.inf)
    found = [
        (queries[query], database[image])
        for query, image in enumerate(similarity.argmax(axis=1) if len(database) else ())
        if may[query, image] and similarity[:, image].argmax() == query
    ]
    if not found:
        raise SourceError(
            f'{places.name}: expected a query and a database image within {config.distance_m:g} '
            'm, found none; use photos of several visits'
        )
    return np.array(found, np.int64)
