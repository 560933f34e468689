"""Several data sets as one: rows move along, and nothing of one set touches another."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.places.place_set import NO_PLACE
from ghost_vpr_ros.replay.places.relations import excluded_of, positives_of
from test.replay.places.weak_places import places_at
from training.datasets.joined_sets import join_sets

FIRST = places_at([(0, 0), (5, 0), (8, 0)], [0], [1, 2], panorama=[3, 3, 9])
SECOND = places_at([(4e5, 5e6), (4e5 + 5, 5e6)], [0, 1], [1], panorama=[3, NO_PLACE])


def test_one_set_stays_as_it_is() -> None:
    assert join_sets([FIRST]) is FIRST


def test_rows_and_distances_of_both() -> None:
    both = join_sets([FIRST, SECOND])
    assert both.name == 'town + town'
    assert [frame.name for frame in both.frames] == ['0', '1', '2', '0', '1']
    assert both.queries.tolist() == [0, 3, 4]
    assert both.database.tolist() == [1, 2, 4]
    between = np.linalg.norm(both.positions_m[:, None] - both.positions_m, axis=2)
    assert between[0, 2] == pytest.approx(8.0)
    assert between[3, 4] == pytest.approx(5.0)
    assert between[:3, 3:].min() > 9e5
    # As in the sets alone: 0 finds 2 (1 is its panorama), 3 finds 4; 4 never finds itself.
    assert positives_of(both, 10.0).counts().tolist() == [1, 1, 0]
    assert excluded_of(both).counts().tolist() == [1, 0, 1]


def test_panoramas_of_different_sets_differ() -> None:
    panorama = join_sets([FIRST, SECOND]).panorama
    assert panorama[0] == panorama[1] != panorama[2]
    assert panorama[4] == NO_PLACE
    assert len(set(panorama.tolist())) == 4


def test_visits_keep_their_gaps() -> None:
    first = replace(FIRST, visit=np.array([100, 129, NO_PLACE]), visit_gap=30)
    second = replace(SECOND, visit=np.array([7, 50]), visit_gap=30)
    both = join_sets([first, SECOND, second])
    assert both.visit is not None and both.visit_gap == 30
    assert both.visit[:5].tolist() == [0, 29, *[NO_PLACE] * 3]
    assert both.visit[6] - both.visit[5] == 43
    assert both.visit[5] - both.visit[1] >= 30


def test_different_gaps_between_visits_are_refused() -> None:
    first = replace(FIRST, visit=np.zeros(3, np.int64), visit_gap=30)
    second = replace(SECOND, visit=np.zeros(2, np.int64), visit_gap=1)
    with pytest.raises(SourceError, match='gaps of 1, 30'):
        join_sets([first, second])
