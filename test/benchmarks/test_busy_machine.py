"""Figures from a busy machine do not reach a page unless that is asked for."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.recall_over_time import other_work


@pytest.fixture()
def words(monkeypatch, tmp_path: Path) -> list[str]:
    monkeypatch.setattr(report, 'SECTIONS', {'frame': lambda _: ['## A section']})
    return [str(tmp_path / 'frame.json'), '--out', str(tmp_path / 'page.md')]


def measured_beside(share: float, words: list[str]) -> Path:
    found = {'benchmark': 'frame', other_work.OTHERS: share}
    Path(words[0]).write_text(json.dumps(found))
    return Path(words[-1])


def test_a_page_is_refused_and_written_on_request(words) -> None:
    page = measured_beside(0.5, words)
    with pytest.raises(SystemExit, match=r'frame.json: measured while other processes took'):
        report.main(words)
    assert not page.exists()
    report.main([words[0], '--even-if-busy', *words[1:]])
    warning = 'Other processes took 50% of the machine before this run.'
    assert page.read_text().index(warning) < page.read_text().index('## A section')


def test_figures_of_a_quiet_machine_need_no_request(words) -> None:
    page = measured_beside(0.02, words)
    report.main(words)
    assert 'Other processes' not in page.read_text()


def test_load_and_share_are_printed(monkeypatch, capsys) -> None:
    monkeypatch.setattr(other_work, 'share_of_others', lambda: 0.5)
    assert other_work.measure_and_report() == 0.5
    printed = capsys.readouterr().err
    assert 'other processes take 50% of the machine, load ' in printed
    assert 'too much' in printed
