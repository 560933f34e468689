"""Result files appear whole or not at all."""

import errno
import json
import os

import pytest

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.replay import output_files
from ghost_vpr_ros.replay.output_files import (
    make_output_folder,
    output_folder,
    write_csv,
    write_file,
    write_json,
)


def test_a_file_is_replaced_whole_and_no_partial_file_stays(tmp_path):
    write_file(tmp_path / 'a.txt', 'old')
    write_file(tmp_path / 'a.txt', b'new')
    assert (tmp_path / 'a.txt').read_text() == 'new'
    assert [p.name for p in tmp_path.iterdir()] == ['a.txt']


def test_a_failed_write_names_the_file_and_leaves_nothing(tmp_path):
    (tmp_path / 'a.txt').mkdir()
    with pytest.raises(OutputError, match=r'a\.txt: the file cannot be written'):
        write_file(tmp_path / 'a.txt', 'x')
    assert [p.name for p in tmp_path.iterdir()] == ['a.txt']


def test_json_has_no_nan(tmp_path):
    write_json(tmp_path / 'a.json', {1: float('nan'), 'b': [float('inf'), 2.0]})
    assert json.loads((tmp_path / 'a.json').read_text()) == {'1': None, 'b': [None, 2.0]}


def test_csv_uses_one_kind_of_line_end_on_every_machine(tmp_path):
    write_csv(tmp_path / 'a.csv', ['a', 'b'], [[1, 'x,y']])
    assert (tmp_path / 'a.csv').read_bytes() == b'a,b\n1,"x,y"\n'


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path):
    (tmp_path / 'out').write_text('mine')
    with pytest.raises(OutputError, match='out: the folder cannot be written'):
        make_output_folder(tmp_path / 'out')
    assert (tmp_path / 'out').read_text() == 'mine'


def test_an_output_folder_is_made_with_its_parents_and_stays_empty(tmp_path):
    made = make_output_folder(tmp_path / 'a' / 'b')
    assert list(made.iterdir()) == []


def test_work_that_fails_leaves_no_empty_folder(tmp_path):
    (tmp_path / 'mine').mkdir()
    for path in (tmp_path / 'a' / 'b', tmp_path / 'mine'):
        with pytest.raises(ValueError, match='bad'), output_folder(path):
            raise ValueError('bad')
    assert [p.name for p in tmp_path.iterdir()] == ['mine']


def test_work_that_fails_keeps_what_it_has_written(tmp_path):
    with pytest.raises(ValueError, match='bad'), output_folder(tmp_path / 'a' / 'b') as folder:
        write_file(folder / 'half.txt', 'x')
        raise ValueError('bad')
    assert (tmp_path / 'a' / 'b' / 'half.txt').read_text() == 'x'


@pytest.mark.parametrize(
    ('code', 'next_step'),
    [
        (errno.ENOSPC, 'free some space'),
        (errno.ENOENT, 'make the folder that it is to be in'),
        (errno.EACCES, 'change the permissions'),
        (errno.EROFS, 'change the permissions'),
        (errno.EIO, 'check the disk'),
    ],
)
def test_the_next_step_fits_the_reason(tmp_path, monkeypatch, code, next_step):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(output_files, 'write_whole', refuse)
    with pytest.raises(OutputError) as refused:
        output_files.write_file(tmp_path / 'a.txt', 'text')
    assert next_step in str(refused.value)
    assert ('free some space' in str(refused.value)) == (code == errno.ENOSPC)


@pytest.mark.parametrize(
    ('name', 'words'), [('folder', 'a folder stands'), ('none/a.json', 'make the folder')]
)
def test_a_result_without_a_place_is_refused_before_the_work(tmp_path, name, words):
    (tmp_path / 'folder').mkdir()
    with pytest.raises(OutputError, match=words):
        output_files.check_output_file(tmp_path / name)
    output_files.check_output_file(tmp_path / 'a.json')
    output_files.check_output_file(None)
    assert list(tmp_path.iterdir()) == [tmp_path / 'folder']
