"""What stands in the files of an evaluation."""

import csv
import json

import pytest

from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.replay.evaluation.evaluation_report import (
    PER_QUERY_COLUMNS,
    per_query_rows,
    worst_failures,
    write_evaluation,
)
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW
from test.replay.evaluations import evaluation_of


@pytest.fixture
def evaluation():
    return evaluation_of(
        database_x=[0, 100, 200],
        query_x=[1, 101, 999, 3],
        rows=[[0, 1], [2, 1], [0, 2], [NO_ROW, NO_ROW]],
        similarity=[[0.9, 0.5], [0.6, 0.5], [0.7, 0.1], [float('nan')] * 2],
    )


def test_worst_failures_are_the_most_confident_wrong_answers(evaluation):
    assert worst_failures(evaluation) == [2, 1]


def test_rows_hold_rank_match_and_distance(evaluation):
    rows = [dict(zip(PER_QUERY_COLUMNS, row, strict=True)) for row in per_query_rows(evaluation)]
    assert rows[1] == {
        'query': 'q1',
        'stamp_ns': 1,
        'num_positives': 1,
        'first_positive_rank': 2,
        'match': 'd2',
        'similarity': '0.600000',
        'correct': 0,
        'distance': '99.00',
        'unit': 'm',
        'candidates': 'd2;d1',
    }
    assert (rows[3]['match'], rows[3]['first_positive_rank']) == ('', '')


def test_files_agree_with_each_other(evaluation, tmp_path):
    written = write_evaluation(evaluation, {'model': {'name': 'stub'}}, 'title', 3, tmp_path)
    assert json.loads((tmp_path / 'metrics.json').read_text()) == written
    assert written['model'] == {'name': 'stub'}
    with (tmp_path / 'per_query.csv').open() as file:
        assert len(list(csv.reader(file))) == 1 + 4


def test_the_sheet_of_failures_has_a_row_for_each(evaluation, tmp_path):
    write_evaluation(evaluation, {}, 'title', 1, tmp_path)
    one_row_px = read_image(tmp_path / 'worst_failures.jpg').shape[0]
    write_evaluation(evaluation, {}, 'title', 2, tmp_path)
    assert read_image(tmp_path / 'worst_failures.jpg').shape[0] > 1.7 * one_row_px


def test_an_evaluation_without_failures_still_has_its_sheet(tmp_path):
    perfect = evaluation_of([0], [1], [[0]], [[0.9]])
    write_evaluation(perfect, {}, 'title', 3, tmp_path)
    assert read_image(tmp_path / 'worst_failures.jpg').size > 0
