"""Tuples as arrays, and who else of a batch is a negative."""

import numpy as np

from ghost_vpr_ros.replay.config import TupleConfig
from ghost_vpr_ros.replay.places.positives import weak_labels
from test.replay.places.weak_places import places_at
from training.places.batch import TrainingTuple, batch_negatives, pack_tuples, unpack_tuples

TUPLES = [TrainingTuple(0, 1, (4, 5)), TrainingTuple(2, 3, (4,))]


def test_tuples_survive_packing() -> None:
    packed = pack_tuples(TUPLES, 3)
    assert packed.tolist() == [[0, 1, 4, 5, -1], [2, 3, 4, -1, -1]]
    assert unpack_tuples(packed) == TUPLES


def test_no_tuples_can_be_packed() -> None:
    assert pack_tuples([], 3).shape == (0, 5)
    assert unpack_tuples(pack_tuples([], 3)) == []


def test_far_images_of_other_tuples_are_negatives_once() -> None:
    """Places: 0, 1 at 0 m; 2, 3 at 100 m; 4 at 200 m; 5 at 110 m."""
    points = [(0.0, 0.0), (0.0, 0.0), (100.0, 0.0), (100.0, 0.0), (200.0, 0.0), (110.0, 0.0)]
    labels = weak_labels(places_at(points, [0, 2], range(6)), TupleConfig())
    mask = batch_negatives(pack_tuples(TUPLES, 2), labels)
    assert np.flatnonzero(mask[0]).tolist() == [4, 5]  # 2 and 3; 4 is its own negative already
    assert np.flatnonzero(mask[1]).tolist() == [0, 1]  # 0 and 1; 5 is 10 m away
