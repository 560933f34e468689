"""The best weights: ties, patience, and recall against a search by hand."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.places.truth import place_set_truth
from test.replay.places.weak_places import places_at
from training.places.selection import Selection, SelectionConfig, recall_of


def recall(one: float, five: float, ten: float) -> dict[int, float]:
    return {1: one, 5: five, 10: ten}


def test_recall_at_5_decides_then_the_others() -> None:
    selection = Selection(SelectionConfig(), {})
    assert selection.is_best(recall(50, 80, 90), 0.0)
    assert not selection.is_best(recall(90, 79, 99), 1.0)
    assert not selection.is_best(recall(50, 80, 90), 2.0)
    assert not selection.is_best(recall(49, 80, 95), 3.0)
    assert selection.is_best(recall(50, 80, 91), 4.0)
    assert selection.is_best(recall(51, 80, 0), 5.0)
    assert selection.is_best(recall(0, 81, 81), 6.0)
    assert selection.best == recall(0, 81, 81)
    assert selection.best_epoch == 6.0


def test_no_number_is_never_better() -> None:
    selection = Selection(SelectionConfig(), {})
    assert selection.is_best(recall(math.nan, math.nan, math.nan), 0.0)
    assert not selection.is_best(recall(math.nan, math.nan, math.nan), 1.0)
    assert selection.is_best(recall(0, 0, 0), 2.0)


def test_patience_counts_epochs_since_the_best() -> None:
    selection = Selection(SelectionConfig(patience_epochs=3), {}, best_epoch=2.0)
    assert not selection.is_over(4.9)
    assert selection.is_over(5.0)
    assert not Selection(SelectionConfig(patience_epochs=0), {}).is_over(1000.0)


def test_the_state_survives_a_checkpoint() -> None:
    selection = Selection(SelectionConfig(), recall(1, 2, 3), 4.5)
    assert Selection.from_state(selection.config, selection.state()) == selection
    assert Selection.from_state(selection.config, {}).best == {}


def test_own_panorama_is_neither_right_nor_in_the_way() -> None:
    # Query 0 and rows 1, 2 are one panorama; row 3 is 20 m away, row 4 is 1 km away.
    places = places_at(
        [(0, 0), (0, 0), (0, 0), (20, 0), (1000, 0)], [0], [1, 2, 3, 4], panorama=[7, 7, 7, 8, 9]
    )
    truth = place_set_truth(places, 25.0)
    database = np.eye(4, dtype=np.float32)
    # By similarity: rows 1, 2 (left out), then 3, then 4.
    query = np.array([[0.8, 0.5, 0.3, 0.1]], np.float32)
    assert recall_of(query, database, truth) == {1: 100.0, 5: 100.0, 10: 100.0}
    wrong = np.array([[0.8, 0.5, 0.1, 0.3]], np.float32)
    assert recall_of(wrong, database, truth) == {1: 0.0, 5: 100.0, 10: 100.0}


def test_a_set_without_positives_is_refused() -> None:
    with pytest.raises(SourceError, match=r'town: expected queries within 25 m.*none of 1'):
        place_set_truth(places_at([(0, 0), (100, 0)], [0], [1]), 25.0)


def test_a_set_in_which_any_answer_is_right_is_refused() -> None:
    with pytest.raises(SourceError, match='all 2 images of the database lie within 25 m'):
        place_set_truth(places_at([(0, 0), (5, 0), (9, 0)], [0], [1, 2]), 25.0)
