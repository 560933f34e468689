"""`ghost-vpr live`: one answer for each image, a line for each change of the state."""

import json

from ghost_vpr_ros.cli.live import LiveTable, live_line
from ghost_vpr_ros.core.datatypes import Hypothesis, Reason, State
from test.core.scripted import candidate


def answer(state: State, reason: Reason, probability: float = 0.62) -> Hypothesis:
    best = candidate(probability=probability)
    return Hypothesis(0, state, reason, (best,), min_probability=0.9)


def test_each_image_is_answered_in_a_pipe(program, folder, built):
    outcome = program('live', folder, '--map', built, '--count', 3)
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert [line['image'] for line in lines] == ['000.jpg', '001.jpg', '002.jpg']
    assert [line['stamp_ns'] for line in lines] == [10**9, 15 * 10**8, 20 * 10**8]
    assert all(line['min_probability'] == 0.9 for line in lines)


def test_a_table_has_a_header_and_a_line_for_each_image(program, folder, built):
    lines = program('live', folder, '--map', built, '--no-json').out.splitlines()
    assert lines[0].split()[:3] == ['image', 'state', 'probability']
    assert len(lines) == 1 + 8


def test_an_unreadable_image_is_told_and_the_rest_answered(program, folder, built, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'no image')
    (tmp_path / 'b.jpg').write_bytes((folder / '000.jpg').read_bytes())
    outcome = program('live', tmp_path, '--map', built)
    assert 'a.jpg' in outcome.err
    assert [json.loads(line)['image'] for line in outcome.out.splitlines()] == ['b.jpg']


def test_unreadable_images_count_as_well(program, folder, built, tmp_path):
    (tmp_path / '1.jpg').write_bytes(b'no image')
    (tmp_path / '2.jpg').write_bytes((folder / '000.jpg').read_bytes())
    assert program('live', tmp_path, '--map', built, '--count', 1).out == ''


def test_a_missing_source_is_one_sentence(program, built):
    assert 'expected a folder' in program('live', '/missing', '--map', built).error


def test_what_is_missing_stands_in_the_line():
    assert 'probability 0.62 of 0.90' in live_line('a', answer(State.TENTATIVE, Reason.LOW_SCORE))
    agreed = live_line('a', answer(State.TENTATIVE, Reason.CONSISTENCY, 0.95))
    assert 'other answers that agree with it' in agreed


def test_on_a_terminal_only_changes_of_the_state_leave_a_line(capsys, monkeypatch):
    monkeypatch.setattr('sys.stdout.isatty', lambda: True)
    table = LiveTable()
    for state in (State.TENTATIVE, State.TENTATIVE, State.ACCEPTED, State.ACCEPTED):
        table.show('a', answer(state, Reason.NONE, 0.95))
    table.end()
    shown = [line.split('\r')[-1] for line in capsys.readouterr().out.split('\n')]
    assert [line.split()[1] for line in shown[1:] if line] == ['TENTATIVE', 'ACCEPTED']


def test_on_a_narrow_terminal_a_place_is_shown_by_the_end_of_its_name():
    found = answer(State.ACCEPTED, Reason.NONE)
    whole = live_line('a', found)
    narrow = live_line('a', found, len(whole) - 2)
    assert len(narrow) == len(whole) - 2
    assert narrow.split()[:5] == whole.split()[:5]
    assert narrow[-3:] == whole[-3:]
