"""Indices are spread evenly."""

import pytest

from ghost_vpr_ros.core.sampling import evenly_spaced


@pytest.mark.parametrize(
    ('count', 'wanted', 'expected'),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (9, 3, [0, 4, 8]), (3, 9, [0, 1, 2])],
)
def test_indices_are_spread_evenly_from_the_first_to_the_last(count, wanted, expected):
    assert evenly_spaced(count, wanted) == expected
