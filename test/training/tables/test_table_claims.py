"""Verdicts: bootstrap and correction against numbers worked by hand, and what is not tested."""

import math

import numpy as np
import pytest

from training.tables.verdicts import (
    CONFIRMED,
    NOT_TESTED,
    OPEN,
    PANEL,
    REFUTED,
    holm,
    verdicts,
)

AB = [('a', 'b')]


def results(*hits, size: int = 8, protocol: str = 'near') -> list[dict[str, object]]:
    """One result for each seed."""
    return [
        {
            'seed': seed,
            'rows': [
                {'protocol': protocol, 'descriptor_dim': size, 'right_at_1': np.asarray(each)}
            ],
        }
        for seed, each in enumerate(hits)
    ]


def answers(right: int, of: int) -> np.ndarray:
    return (np.arange(of) < right).astype(int)


def test_holm_multiplies_by_what_is_left() -> None:
    assert holm([0.03, 0.01, 0.4, 0.02]) == pytest.approx([0.06, 0.04, 0.4, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_large_difference_is_decided_a_small_one_is_not() -> None:
    many, few = results(*[answers(90, 100)] * 2), results(*[answers(60, 100)] * 2)
    (found,) = verdicts(AB, {'a': many, 'b': few})
    assert (found.text, found.difference) == (CONFIRMED, pytest.approx(30.0))
    assert found.low < 30.0 < found.high
    (found,) = verdicts(AB, {'a': few, 'b': many})
    assert (found.text, found.difference) == (REFUTED, pytest.approx(-30.0))
    (found,) = verdicts(AB, {'a': results(*[answers(62, 100)] * 2), 'b': few})
    assert found.text == OPEN
    assert found.p > 0.05


def test_the_interval_over_queries_is_that_of_the_paired_differences() -> None:
    """30 of 100 queries change: a standard deviation of sqrt(0.3 * 0.7 / 100) = 4.6 points."""
    rows = {'a': results(*[answers(90, 100)] * 2), 'b': results(*[answers(60, 100)] * 2)}
    (found,) = verdicts(AB, rows)
    half = 1.96 * 100.0 * math.sqrt(0.3 * 0.7 / 100)
    assert (found.high - found.low) / 2.0 == pytest.approx(half, rel=0.1)


def test_seeds_that_disagree_leave_it_open() -> None:
    """The same mean difference of 30 points: 90 and 30 right, against 30."""
    few = results(*[answers(30, 100)] * 2)
    (found,) = verdicts(AB, {'a': results(answers(90, 100), answers(30, 100)), 'b': few})
    assert found.difference == pytest.approx(30.0)
    assert found.text == OPEN
    (found,) = verdicts(AB, {'a': results(*[answers(60, 100)] * 2), 'b': few})
    assert found.text == CONFIRMED


def test_a_claim_borrows_the_spread_of_seeds_from_the_others() -> None:
    """By chance the two seeds of `a` agree; those of `c` show how much seeds differ."""
    rows = {
        'a': results(*[answers(60, 100)] * 2),
        'b': results(*[answers(40, 100)] * 2),
        'c': results(answers(90, 100), answers(10, 100)),
    }
    alone, *_ = verdicts(AB, rows)
    together, _ = verdicts([*AB, ('c', 'b')], rows)
    assert alone.text == CONFIRMED
    assert together.text == OPEN
    assert together.high - together.low > 2.0 * (alone.high - alone.low)


def test_many_claims_need_more() -> None:
    """Correction: what one claim decides, twenty of the same do not."""
    rows = {'b': results(*[answers(50, 100)] * 2), 'a': results(*[answers(55, 100)] * 2)}
    assert verdicts(AB, rows)[0].text == CONFIRMED
    rows.update({str(n): rows['b'] for n in range(19)})
    many = verdicts([*AB, *((str(n), 'b') for n in range(19))], rows)
    assert many[0].text == OPEN
    assert many[0].p == pytest.approx(20.0 * verdicts(AB, rows)[0].p, rel=0.7)


def test_one_seed_tests_nothing() -> None:
    (found,) = verdicts(AB, {'a': results(answers(90, 100)), 'b': results(answers(10, 100))})
    assert (found.text, found.reason) == (NOT_TESTED, 'one seed')
    assert math.isnan(found.p)


def test_a_table_whose_settings_cannot_show_it_tests_nothing() -> None:
    rows = {'a': results(*[answers(90, 100)] * 2), 'b': results(*[answers(10, 100)] * 2)}
    (found,) = verdicts(AB, rows, not_tested='too short')
    assert (found.text, found.reason) == (NOT_TESTED, 'too short')


@pytest.mark.parametrize(
    ('before', 'reason'),
    [
        (50, ''),
        (90, 'a finds no more than a0'),
        (95, 'a finds no more than a0'),
        (None, 'a0 has not been run'),
    ],
)
def test_a_row_has_to_find_more_than_its_start(before: int | None, reason: str) -> None:
    rows = {'a': results(*[answers(90, 100)] * 2), 'b': results(*[answers(10, 100)] * 2)}
    if before is not None:
        rows['a0'] = results(answers(before, 100))
    (found,) = verdicts(AB, rows, starts={'a': 'a0'})
    assert found.reason == reason
    assert found.text == (NOT_TESTED if reason else CONFIRMED)


def test_a_panel_weighs_its_parts_alike() -> None:
    """One part of one protocol, 20 points; one of two, 0 and 100 points: 35 in the mean."""

    def row(*right: int) -> list[dict[str, object]]:
        parts = [
            results(*[answers(each, 10)] * 2, protocol=name)
            for name, each in zip('xyz', right, strict=True)
        ]
        return [
            {'seed': seed, 'rows': [part[seed]['rows'][0] for part in parts]} for seed in range(2)
        ]

    rows = {'a': row(5, 5, 10), 'b': row(3, 5, 0)}
    (found,) = verdicts(AB, rows, parts={'one': ['x'], 'two': ['y', 'z']})
    assert (found.protocol, found.difference) == (PANEL, pytest.approx(35.0))
    assert found.text == CONFIRMED
    assert [each.protocol for each in verdicts(AB, rows)] == ['x', 'y', 'z']


def test_a_claim_is_judged_where_both_rows_are_there() -> None:
    rows = {'a': results([1, 1, 1, 0], [1, 1, 1, 0]), 'b': results([1, 0, 0, 0], [1, 0, 0, 0])}
    (verdict,) = verdicts([*AB, ('a', 'absent')], rows)
    assert (verdict.better, verdict.worse, verdict.protocol) == ('a', 'b', 'near')
    assert verdict.difference == pytest.approx(50.0)
    assert verdicts([], {}) == []


def test_the_largest_descriptor_is_compared() -> None:
    small, large = results([0, 0])[0], results([1, 1], size=512)[0]
    both = [{'seed': 0, 'rows': [*large['rows'], *small['rows']]}]
    (verdict,) = verdicts(AB, {'a': both, 'b': results([0, 0])})
    assert verdict.difference == 100.0
