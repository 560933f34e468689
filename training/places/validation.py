"""Recall on the validation set by the network as it is now."""

from __future__ import annotations

import numpy as np

from training.datasets.place_set import PlaceSet
from training.loop.describing import Describer
from training.places.selection import SelectionConfig, place_set_truth, recall_of


class Validation:
    """Calls of it give recall@1/5/10."""

    def __init__(self, places: PlaceSet, describe: Describer, config: SelectionConfig) -> None:
        """Judge by the positions of this set.

        Raises:
            SourceError: no query has a positive.
        """
        self._places = places
        self._describe = describe
        self._truth = place_set_truth(places, config.positive_distance_m)
        self._rows = np.union1d(places.queries, places.database)

    def __call__(self) -> dict[int, float]:
        """recall@N in percent of the queries with positives, by N; each image is described once.

        Raises:
            ImageError: an image cannot be read; the message names it.
        """
        descriptors = self._describe(self._rows)
        queries = descriptors[np.searchsorted(self._rows, self._places.queries)]
        database = descriptors[np.searchsorted(self._rows, self._places.database)]
        return recall_of(queries, database, self._truth)
