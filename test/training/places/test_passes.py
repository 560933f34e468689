"""The number of passes of each scheme, as the paper gives it for its own numbers."""

from dataclasses import replace

import pytest

from test.training.places.predicted_passes import (
    EpochSize,
    all_passes,
    predicted_passes,
    published_passes,
)
from training.places.mining import SCHEMES, PassCounter

PAPER = EpochSize(
    images=80_000,
    queries=8_000,
    positives=50,
    random_negatives=1_000,
    hard_negatives=10,
    refresh_queries=500,
)
EFFECTIVE = replace(PAPER, positives=5)  # N_p,e of hard+cache+query


@pytest.mark.parametrize(
    ('scheme', 'size', 'passes'),
    [
        ('hard+nocache', PAPER, 8_584_000),
        ('hard+cache', PAPER, 1_472_000),
        ('hard+cache+query', EFFECTIVE, 240_000),
    ],
)
def test_the_papers_totals(scheme: str, size: EpochSize, passes: int) -> None:
    assert published_passes(predicted_passes(scheme, size), scheme) == passes


@pytest.mark.parametrize('scheme', SCHEMES)
def test_backward_passes_are_the_same_for_every_scheme(scheme: str) -> None:
    assert predicted_passes(scheme, PAPER).backward == 96_000


@pytest.mark.parametrize(
    ('scheme', 'size', 'passes'),
    [
        ('hard+nocache', PAPER, 8_680_000),
        ('hard+cache', PAPER, 1_472_000),
        ('hard+cache+query', EFFECTIVE, 336_000),
    ],
)
def test_totals_with_the_forward_passes_of_the_tuples(
    scheme: str, size: EpochSize, passes: int
) -> None:
    assert all_passes(predicted_passes(scheme, size)) == passes


def test_ten_times_the_database_costs_only_the_cache_of_everything_more() -> None:
    """Section 5.2: with N = 800k hard+cache is slower than hard+nocache."""
    large = replace(PAPER, images=800_000)
    totals = {each: published_passes(predicted_passes(each, large), each) for each in SCHEMES}
    assert totals['hard+nocache'] == 8_584_000
    assert totals['hard+cache'] == 12_992_000


def test_a_last_block_that_is_not_full_is_refreshed_too() -> None:
    size = EpochSize(10, 5, 1, 2, 1, refresh_queries=2)
    assert predicted_passes('hard+cache', size).mining_forward == 3 * 10


def test_counters_add_up_and_can_be_stored() -> None:
    counter = PassCounter()
    counter.count_mining(7)
    counter.count_training(12)
    assert counter == PassCounter(7, 12, 12)
    assert all_passes(counter) == 31
    assert PassCounter(**counter.to_dict()) == counter
