"""Directions between conditions, and projections without them."""

from __future__ import annotations

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from training.head.condition_shifts import (
    WithoutDirections,
    shift_directions,
    without_directions,
)


def _conditions() -> list[np.ndarray]:
    """Twenty places by day, by night (shifted along axis 0) and in rain (axes 0 and 1)."""
    places = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    night, rain = np.zeros(6, np.float32), np.zeros(6, np.float32)
    night[0], rain[:2] = 3.0, (1.0, 2.0)
    return [places, places + night, places + rain]


def test_the_shift_of_two_conditions_is_one_direction() -> None:
    day, night, _ = _conditions()
    found = shift_directions([day, night])
    np.testing.assert_allclose(np.abs(found), np.eye(6, dtype=np.float32)[:1], atol=1e-6)


def test_without_the_shifts_all_conditions_are_alike() -> None:
    conditions = _conditions()
    directions = shift_directions(conditions)
    assert directions.shape == (2, 6)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-6)
    day, night, rain = (without_directions(each, directions) for each in conditions)
    np.testing.assert_allclose(night, day, atol=1e-5)
    np.testing.assert_allclose(rain, day, atol=1e-5)


def test_a_condition_named_twice_adds_no_direction() -> None:
    day, night, _ = _conditions()
    assert shift_directions([day, night, night]).shape == (1, 6)


def test_rows_are_read_without_the_directions() -> None:
    day, night, _ = _conditions()
    directions = shift_directions([day, night])
    rows = WithoutDirections(night.astype(np.float16), directions)
    assert rows.shape == (20, 6)
    np.testing.assert_allclose(rows[5:9] @ directions.T, 0.0, atol=1e-6)


def test_equal_means_are_refused() -> None:
    day, _, _ = _conditions()
    with pytest.raises(SourceError, match='whose mean descriptors differ, found equal means'):
        shift_directions([day, day])
