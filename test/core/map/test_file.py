"""A map that can refuse: every file that is not a whole map of ours, with one helpful sentence."""

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import GhostVprError, MapError, OutputError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.map_making import DIM, HASH, PREPROCESSING, filled_map, new_map, unit_rows


@pytest.fixture
def path(tmp_path):
    filled_map(tmp_path / 'town.map', count=30)
    return tmp_path / 'town.map'


def change(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def refused(path, **options):
    """The error of opening, after checking that nothing was written, there or beside."""
    before = {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()}
    with pytest.raises(GhostVprError) as caught:
        PlaceMap.open(path, **options)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()} == before
    message = str(caught.value)
    assert str(path) in message
    assert '\n' not in message
    return message


def test_a_closed_map_is_one_plain_file(path):
    assert [p.name for p in path.parent.iterdir()] == ['town.map']
    with PlaceMap.open(path) as place_map:
        place_map.descriptors()
        assert [p.name for p in path.parent.iterdir()] == ['town.map']


def test_a_map_is_in_wal_mode_while_it_is_written(path):
    with PlaceMap.open(path, writable=True):
        connection = sqlite3.connect(path)
        assert connection.execute('PRAGMA journal_mode').fetchone() == ('wal',)
        connection.close()


@pytest.mark.parametrize('name', ['a b.map', 'what?#%20.map', 'größe.map', "quo'te.map"])
def test_any_file_name_will_do(tmp_path, name):
    filled_map(tmp_path / name, count=2)
    assert len(PlaceMap.open(tmp_path / name)) == 2
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_missing_map_is_refused_with_the_command_that_makes_one(tmp_path):
    assert 'build-map' in refused(tmp_path / 'none.map')


def test_a_folder_is_refused(tmp_path):
    (tmp_path / 'folder').mkdir()
    assert 'is a folder' in refused(tmp_path / 'folder')


@pytest.mark.parametrize(
    ('content', 'word'),
    [(b'', 'is empty'), (b'just text\n', 'not a map'), (os.urandom(50_000), 'not a map')],
)
def test_another_kind_of_file_is_refused(tmp_path, content, word):
    (tmp_path / 'x.map').write_bytes(content)
    assert word in refused(tmp_path / 'x.map')
    assert word in refused(tmp_path / 'x.map', writable=True)


def test_another_sqlite_file_is_refused(tmp_path):
    change(tmp_path / 'rtabmap.db', 'CREATE TABLE Node (id INTEGER)')
    assert 'not a place recognition map' in refused(tmp_path / 'rtabmap.db')


@pytest.mark.parametrize(
    ('version', 'word'), [(3, 'update ghost_vpr_ros'), (0, 'build the map again')]
)
def test_another_schema_is_refused(path, version, word):
    change(path, f'PRAGMA user_version = {version}')
    message = refused(path, writable=True)
    assert f'schema {version}' in message
    assert word in message


def test_another_model_is_refused(path):
    message = refused(path, expected_model_hash='cd' * 32)
    assert HASH[:12] in message
    assert 'cdcdcdcdcdcd' in message


def test_another_descriptor_dim_is_refused(path):
    assert f'D={DIM}, the model in use makes D=512' in refused(path, expected_dim=512)


def test_the_right_model_is_accepted(path):
    with PlaceMap.open(path, expected_model_hash=HASH, expected_dim=DIM) as place_map:
        assert len(place_map) == 30


@pytest.mark.parametrize('share', [0.0001, 0.01, 0.2, 0.5, 0.9, 0.999999])
def test_a_truncated_map_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: max(1, int(len(whole) * share))])
    message = refused(path)
    assert 'is damaged' in message or 'not a map' in message
    refused(path, writable=True)


def test_a_zeroed_page_is_refused(path):
    # The last page is a picture of some keyframe; the tables before it are what must be whole.
    whole = bytearray(path.read_bytes())
    start = whole.find(unit_rows(30)[0].tobytes()) // 16384 * 16384
    whole[start : start + 16384] = bytes(16384)
    path.write_bytes(whole)
    assert 'is damaged' in refused(path)


@pytest.mark.parametrize(
    ('statement', 'word'),
    [
        ('DELETE FROM descriptors WHERE keyframe_id = 3', '30 keyframes, 29 descriptors'),
        ('DELETE FROM keyframes WHERE keyframe_id = 3', '29 keyframes, 30 descriptors'),
        ('DELETE FROM sessions', '0 with session'),
        ("UPDATE descriptors SET descriptor = x'00' WHERE keyframe_id = 3", '1 of 30 descriptors'),
        ('UPDATE map SET revision = 7', 'revision 7'),
        ('DELETE FROM map', 'revision None'),
        ('DELETE FROM model', 'names no model'),
        ("UPDATE model SET preprocessing = 'nonsense'", 'preprocessing is unreadable'),
        ('UPDATE model SET preprocessing = \'{"width_px": 1}\'', 'preprocessing is unreadable'),
        ('DROP TABLE sessions', 'is damaged'),
    ],
)
def test_a_map_that_contradicts_itself_is_refused(path, statement, word):
    change(path, statement)
    assert word in refused(path)


def test_a_changed_descriptor_is_left_out(path):
    change(path, f'UPDATE descriptors SET descriptor = zeroblob({4 * DIM}) WHERE keyframe_id = 3')
    with PlaceMap.open(path) as place_map:
        assert place_map.damaged_keyframes == 1
        assert place_map.keyframe_ids().tolist() == [1, 2, *range(4, 31)]


def test_an_existing_file_is_never_overwritten(path):
    before = path.read_bytes()
    with pytest.raises(MapError, match='exists already'):
        new_map(path)
    assert path.read_bytes() == before


def test_a_dangling_link_counts_as_existing(tmp_path):
    (tmp_path / 'link.map').symlink_to(tmp_path / 'nowhere')
    with pytest.raises(MapError, match='exists already'):
        new_map(tmp_path / 'link.map')


def test_a_link_to_a_map_that_was_moved_names_its_place(tmp_path):
    (tmp_path / 'link.map').symlink_to('gone/town.map')
    with pytest.raises(MapError, match=r'is a link to gone/town\.map, which is not there'):
        PlaceMap.open(tmp_path / 'link.map')


def test_the_changes_of_a_deleted_map_do_not_enter_a_new_one(tmp_path):
    (tmp_path / 'town.map-wal').write_bytes(b'left over')
    with pytest.raises(MapError, match=r'town\.map-wal is left over'):
        new_map(tmp_path / 'town.map')


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match='does not exist'):
        new_map(tmp_path / 'no' / 'town.map')


def test_a_failed_creation_leaves_nothing(tmp_path):
    with pytest.raises(OutputError):
        PlaceMap.create(tmp_path / 'town.map', HASH, -1, PREPROCESSING, b'')
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def read_only(tmp_path_factory):
    """Returns a function that shows a folder through a read-only mount."""
    if os.geteuid() != 0 or shutil.which('mount') is None:
        pytest.skip('needs root to mount a folder read-only')
    mounted = []

    def show(folder):
        target = tmp_path_factory.mktemp('medium')
        bind = ['mount', '--bind', str(folder), str(target)]
        if subprocess.run(bind, capture_output=True).returncode != 0:
            pytest.skip('this machine does not let the tests mount a folder')
        mounted.append(target)
        subprocess.run(['mount', '-o', 'remount,ro,bind', str(target)], check=True)
        return target

    yield show
    for target in mounted:
        subprocess.run(['umount', '-l', str(target)], check=True)


def test_a_map_is_read_from_a_read_only_medium(path, read_only):
    with PlaceMap.open(read_only(path.parent) / 'town.map') as place_map:
        np.testing.assert_array_equal(place_map.descriptors(), unit_rows(30))


def test_a_map_left_in_wal_mode_is_read_from_a_read_only_medium(path, read_only):
    change(path, 'PRAGMA journal_mode = WAL')
    with PlaceMap.open(read_only(path.parent) / 'town.map') as place_map:
        assert len(place_map) == 30


def test_a_read_only_medium_refuses_writing(path, read_only):
    medium = read_only(path.parent)
    assert 'read-only' in refused(medium / 'town.map', writable=True)
    with pytest.raises(OutputError, match=r'new\.map'):
        new_map(medium / 'new.map')


def test_unmerged_changes_on_a_read_only_medium_are_not_ignored(path, tmp_path, read_only):
    copies = tmp_path / 'copies'
    copies.mkdir()
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.add('walk', 1, unit_rows(1)[0])
        place_map.commit()
        for name in ('town.map', 'town.map-wal'):
            shutil.copy(path.with_name(name), copies / name)
    medium = read_only(copies)
    assert 'copy both to a writable folder' in refused(medium / 'town.map')
    assert len(PlaceMap.open(copies / 'town.map')) == 31


def test_a_link_to_a_map_that_is_written_is_as_good_as_its_path(path, tmp_path):
    (tmp_path / 'far').mkdir()
    link = tmp_path / 'far' / 'link.map'
    link.symlink_to(path)
    with PlaceMap.open(link, writable=True) as place_map:
        for row in unit_rows(40, seed=3):
            place_map.add('walk', 0, row, view_jpeg=os.urandom(30_000))
        place_map.commit()
        with PlaceMap.open(link) as reader:
            assert len(reader) == 70
            assert not reader.warnings
        with pytest.raises(MapError, match='is being written by another process'):
            PlaceMap.open(link, writable=True)
        shutil.copy(path, tmp_path / 'killed.map')
        shutil.copy(tmp_path / 'town.map-wal', tmp_path / 'killed.map-wal')
    killed = tmp_path / 'far' / 'killed.map'
    killed.symlink_to(tmp_path / 'killed.map')
    with PlaceMap.open(killed) as reader:
        assert len(reader) == 70


def other_map(path, count):
    with new_map(path) as place_map:
        session = place_map.add_session('elsewhere')
        for row, descriptor in enumerate(unit_rows(count, seed=1)):
            place_map.add(session, row, descriptor, name=f'other {row}', view_jpeg=b'\xff\xd8')
    return path


@pytest.mark.parametrize('count', [30, 200])
def test_a_map_that_was_copied_over_an_open_one_does_not_answer_for_it(path, count):
    other = other_map(path.with_name('other.map'), count)
    with PlaceMap.open(path) as place_map:
        assert place_map.keyframes_at(np.array([3]))[0].name == '3.jpg'
        shutil.copyfile(other, path)
        for read in (lambda: place_map.keyframes_at(np.array([3])), lambda: place_map.view(4)):
            with pytest.raises(MapError, match='replaced by another map; open it again'):
                read()


def test_a_map_that_was_replaced_by_name_is_told_and_answers_on(path):
    with PlaceMap.open(path) as place_map:
        assert place_map.change_of_file() == ''
        other_map(path.with_name('other.map'), 30).replace(path)
        assert 'was moved or removed after it was opened' in place_map.change_of_file()
        assert place_map.keyframes_at(np.array([3]))[0].name == '3.jpg'


def test_the_map_is_identified_again_only_after_its_file_has_changed(path):
    statements = []
    with PlaceMap.open(path) as place_map:
        place_map._connection.set_trace_callback(statements.append)
        place_map.keyframes_at(np.array([3]))
        assert not [each for each in statements if 'uuid' in each]
        os.utime(path)
        place_map.keyframes_at(np.array([3]))
        place_map.keyframes_at(np.array([3]))
        assert len([each for each in statements if 'uuid' in each]) == 1


def test_a_path_that_leads_to_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / 'pipe.map')
    for path, words in (
        (tmp_path / 'pipe.map', 'is a pipe, a socket or a device'),
        (Path('/dev/zero'), 'is a pipe, a socket or a device'),
        (Path('x' * 5000), 'File name too long'),
        (Path('a\0b'), 'null byte'),
    ):
        with pytest.raises(MapError, match=words):
            PlaceMap.open(path)
