"""Pairs, learned thresholds and the table of `benchmarks.verifiers`."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.report import page
from benchmarks.verifier_pairs import Pairs, most_similar, thinned
from benchmarks.verifiers import accepted, learn
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.verification.geometric import VerifiedCandidate
from test.core.two_views import candidate


def test_the_most_similar_images_are_those_that_are_allowed():
    similarity = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.4], [0.2, 0.4, 1.0]], np.float32)
    allowed = np.array([[False, False, True], [True, False, True], [False, False, False]])
    assert most_similar(similarity, allowed, 1) == [(0, 2), (1, 0)]
    assert most_similar(similarity, allowed, 2) == [(0, 2), (1, 0), (1, 2)]


@pytest.mark.parametrize(('count', 'expected'), [(2, [0, 5]), (10, list(range(10)))])
def test_pairs_are_thinned_evenly(count, expected):
    pairs = [(number, 0) for number in range(10)]
    assert [row for row, _ in thinned(pairs, count)] == expected
    assert Pairs([], pairs, pairs).at_most(0).right == pairs


def test_the_least_number_of_inliers_is_reached_by_few_wrong_pairs():
    right, wrong = np.arange(10, 110), np.arange(200) // 10
    evidence = learn(right, wrong)
    assert (wrong >= evidence.min_inliers).mean() <= 0.01
    assert evidence.likelihood_ratio(0) < 1.0 < evidence.likelihood_ratio(40)


def test_what_is_accepted_has_inliers_and_cells_enough():
    evidence = learn(np.arange(10, 110), np.arange(200) // 10)
    many, few = evidence.min_inliers, evidence.min_inliers - 1
    found = [
        VerifiedCandidate(replace(candidate(), inliers=inliers), cells=cells)
        for inliers, cells in ((many, 3), (few, 16), (many, 2))
    ]
    assert accepted(found, evidence, VerificationConfig()) == 1


def test_the_section_shows_shares_and_work():
    counts = {'right': 40, 'wrong': 200, 'right_accepted': 25, 'wrong_accepted': 1}
    work = {
        'features': 400.0,
        'products_per_candidate': 10_240_000.0,
        'remembered_bytes': 108_800.0,
        'view_bytes': 17_300.0,
    }
    row = {
        'features': 'network',
        'evidence': {'min_inliers': 31},
        'sets': {'somewhere': counts},
        'work': work,
    }
    machine = dict.fromkeys(('processor', 'cores', 'memory_gib', 'system', 'python', 'day'), '')
    report = {
        'benchmark': 'verifiers',
        'machine': {**machine, 'versions': {}, 'commit': 'abc'},
        'command': 'python -m benchmarks.verifiers',
        'false_rate': 0.01,
        'learned_on': ['here', 'there'],
        'rows': [row],
    }
    text = page([report])
    assert '| network | 31 | 62.5 / 0.5 |' in text
    assert '| network | 400 | 10.2 | 109 | 17.3 |' in text
    assert 'cached, ms' not in text
    report['rows'] = [{**row, 'ms': {'new': 12.0, 'remembered': 3.25, 'load': 0.2}}]
    assert '| network | 12.0 | 3.2 | 0.2 |' in page([report])
