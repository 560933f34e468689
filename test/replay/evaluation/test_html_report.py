"""The page of a replay or an evaluation: complete, self-contained, and escaped."""

import re

import numpy as np
import pytest

from ghost_vpr_ros.replay.evaluation import html_report
from ghost_vpr_ros.replay.evaluation.evaluation_report import write_evaluation
from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, TileMark
from test.replay.evaluations import evaluation_of


@pytest.fixture(scope='module')
def page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('report')
    evaluation = evaluation_of(
        database_x=[0, 100, 200],
        query_x=[1, 101, 999, 3],
        rows=[[0, 1], [2, 1], [0, 2], [0, 1]],
        similarity=[[0.9, 0.5], [0.6, 0.5], [0.7, 0.1], [0.8, 0.2]],
    )
    described = {'model': {'name': 'a <b> model'}, 'recognizer': {'top_k': 7}}
    write_evaluation(evaluation, described, 'drive <2> in town', 3, folder)
    return (folder / 'report.html').read_text()


def test_the_page_states_the_result_in_words(page):
    assert '2 of 3 queries found their place first, among 3 images' in page
    assert 'right within 10 m' in page
    assert '1 more queries show no place of the database' in page


def test_names_of_users_are_escaped(page):
    assert 'drive &lt;2&gt; in town' in page
    assert 'a &lt;b&gt; model' in page


def test_the_page_needs_nothing_beside_itself(page):
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert {source[:4] for source in sources if not source.startswith('#')} <= {'data'}
    assert 'url(http' not in page


def test_each_dot_leads_to_the_row_of_its_answer(page):
    dots = set(re.findall(r'xlink:href="#(row-\d+)"', page))
    rows = set(re.findall(r'<tr id="(row-\d+)">', page))
    assert dots == rows == {f'row-{n}' for n in range(4)}


def test_the_page_shows_curves_pictures_settings_and_versions(page):
    for heading in ('Precision and recall', 'Time of an image', 'From above', 'Worst failures'):
        assert heading in page
    assert '<td>top k</td><td>7</td>' in page
    assert '<td>numpy</td>' in page


def test_many_answers_are_thinned_out_but_wrong_ones_stay(monkeypatch):
    monkeypatch.setattr(html_report, 'MOST_ROWS', 3)
    assert html_report.listed_rows(9, [5]) == [0, 4, 5, 8]
    assert html_report.listed_rows(2) == [0, 1]


def test_names_break_at_their_folders_and_empty_sheets_are_left_out(tmp_path):
    tile = Tile(np.zeros((6, 8, 3), np.uint8), ('0.9', 'a<b/c.jpg'), TileMark.RIGHT)
    sheet = html_report.Sheet('Matches', [[tile]])
    sheets = [sheet, html_report.Sheet('Worst failures', [])]
    report = html_report.Report('title', ['headline'], [], sheets, [], {}, 0, {})
    html_report.write_report(report, tmp_path / 'a.html')
    page = (tmp_path / 'a.html').read_text()
    assert '<span>a&lt;b/<wbr>c.jpg</span>' in page
    assert '<h2>Matches</h2>' in page and 'Worst failures' not in page
