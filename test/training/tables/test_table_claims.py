"""Verdicts: differences and their errors worked by hand."""

import math

import numpy as np
import pytest

from training.tables.report import (
    CONFIRMED,
    OPEN,
    REFUTED,
    Verdict,
    difference_error,
    verdicts,
)


def results(*hits: list[int], size: int = 8) -> list[dict[str, object]]:
    """One result for each seed."""
    return [
        {'rows': [{'protocol': 'near', 'descriptor_dim': size, 'right_at_1': each}]}
        for each in hits
    ]


def test_errors_of_seeds_and_queries_add_up() -> None:
    first = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])  # Means 0.5 and 0.75.
    second = np.array([[0.0, 0.0, 0.0, 0.0]])
    seeds = 0.03125 / 2  # Variance of 0.5 and 0.75, over two seeds; a single seed has none.
    queries = np.var([1.0, 1.0, 0.5, 0.0], ddof=1) / 4
    assert difference_error(first, second) == pytest.approx(math.sqrt(seeds + queries))


def test_queries_that_both_answer_alike_have_no_error() -> None:
    same = np.array([[1.0, 0.0, 1.0]])
    assert difference_error(same, same) == 0.0


def test_two_errors_decide() -> None:
    assert Verdict('a', 'b', 'near', 4.1, 2.0).text == CONFIRMED
    assert Verdict('a', 'b', 'near', -4.1, 2.0).text == REFUTED
    assert Verdict('a', 'b', 'near', 4.0, 2.0).text == OPEN


def test_a_claim_is_judged_where_both_rows_are_there() -> None:
    rows = {'a': results([1, 1, 1, 0], [1, 1, 1, 0]), 'b': results([1, 0, 0, 0])}
    (verdict,) = verdicts([('a', 'b'), ('a', 'absent')], rows)
    assert (verdict.better, verdict.worse, verdict.protocol) == ('a', 'b', 'near')
    assert verdict.difference == 50.0
    assert verdict.error == pytest.approx(100 * math.sqrt(np.var([0, 1, 1, 0], ddof=1) / 4))


def test_the_largest_descriptor_is_compared() -> None:
    small, large = results([0, 0])[0], results([1, 1], size=512)[0]
    both = [{'rows': [*large['rows'], *small['rows']]}]
    (verdict,) = verdicts([('a', 'b')], {'a': both, 'b': results([0, 0])})
    assert verdict.difference == 100.0
