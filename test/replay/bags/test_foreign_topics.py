"""What a robot records beside its images: unrelated topics, compressed files, a -wal."""

import contextlib
import re
import shutil
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest
from backports import zstd

from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.replay.bags.file import BagFile
from ghost_vpr_ros.replay.bags.storage import SqliteReader
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.replay.small_bags import fix, image, picture, write_records

IMAGES = 6


@pytest.fixture
def records():
    found = []
    for number in range(IMAGES):
        stamped = image(number)
        found += [fix(stamped[1], 50.0 + 1e-4 * number, 8.0), stamped]
    return found


def check_drive(path: Path) -> None:
    """The whole drive is there: pixels and positions."""
    frames = open_source(path).frames
    assert len(frames) == IMAGES
    for number, frame in enumerate(frames):
        assert frame.geo.latitude_deg == pytest.approx(50.0 + 1e-4 * number)
        assert np.abs(frame.load().astype(int) - picture(number)).mean() < 4


@pytest.mark.parametrize('suffix', ['.zstd', '.zst'])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_a_file_that_was_compressed_as_a_whole_is_read(tmp_path, records, storage, suffix) -> None:
    written = write_records(tmp_path / 'bag', records, storage)
    file = written if written.is_file() else next(written.glob('bag.*'))
    packed = tmp_path / f'{file.name}{suffix}'
    packed.write_bytes(zstd.compress(file.read_bytes()))
    check_drive(packed)
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(BagError, match='zstd -d'):
        open_source(packed)


def test_messages_that_were_compressed_one_by_one_need_no_metadata(tmp_path, records) -> None:
    path = write_records(tmp_path / 'bag', records, 'sqlite3')
    (path / 'metadata.yaml').unlink()
    database = sqlite3.connect(path / 'bag.db3')
    for number, data in database.execute('SELECT id, data FROM messages').fetchall():
        database.execute('UPDATE messages SET data=? WHERE id=?', (zstd.compress(data), number))
    database.commit()
    database.close()
    assert not list(path.glob('metadata*'))
    check_drive(path)


def add_topic(path: Path, encoding: str, definition: str, digest: str, kind: str) -> None:
    """A further topic in a .db3 and its metadata."""
    database = sqlite3.connect(path / 'bag.db3')
    topic = ('/vehicle/custom', 'my_msgs/msg/Custom', encoding, '', digest)
    database.execute('INSERT INTO topics VALUES (99, ?, ?, ?, ?, ?)', topic)
    row = ('my_msgs/msg/Custom', kind, definition, digest)
    database.execute('INSERT INTO message_definitions VALUES (99, ?, ?, ?, ?)', row)
    database.execute('INSERT INTO messages VALUES (9999, 99, 1, ?)', (b'\x00\x01\x00\x00',))
    database.commit()
    database.close()
    shutil.move(path / 'metadata.yaml', path / 'metadata.before')


@pytest.mark.parametrize(
    ('encoding', 'definition', 'digest', 'kind', 'text'),
    [
        ('cdr', '', '', 'ros2msg', 'no definition of its type my_msgs/msg/Custom'),
        ('cdr', 'float64 x\n', 'RIHS01_00', 'ros2msg', 'does not fit its hash RIHS01_00'),
        ('cdr', '%% no definition ((', '', 'ros2msg', 'cannot be read'),
        ('cdr', 'other_msgs/Absent x\n', '', 'ros2msg', 'cannot be read'),
        ('cdr', 'whatever', '', 'unknown', 'no definition'),
        ('json', '{}', '', 'jsonschema', 'expected messages of ROS 2 .cdr., found json'),
        ('protobuf', '\x0a\x07', '', 'protobuf', 'found protobuf'),
    ],
)
def test_a_foreign_topic_matters_only_to_who_wants_it(
    tmp_path, records, encoding, definition, digest, kind, text
) -> None:
    path = write_records(tmp_path / 'bag', records, 'sqlite3')
    add_topic(path, encoding, definition, digest, kind)
    check_drive(path)
    bag = BagFile(path)
    assert '/vehicle/custom' in [topic.name for topic in bag.topics()]
    with pytest.raises(BagError, match=text) as error:
        list(bag.messages(['/vehicle/custom']))
    assert '/vehicle/custom' in str(error.value)
    assert 'damaged' not in str(error.value)


def mcap_record(code: int, content: bytes) -> bytes:
    return struct.pack('<BQ', code, len(content)) + content


def text_field(text: bytes) -> bytes:
    return struct.pack('<I', len(text)) + text


@pytest.mark.parametrize('schema', [b'jsonschema', b'protobuf'])
def test_foreign_channels_of_an_mcap_do_not_matter(tmp_path, records, schema) -> None:
    """The channel is written before the first record of the file; no index names it."""
    path = write_records(tmp_path / 'bag', records)
    whole = (path / 'bag.mcap').read_bytes()
    head = 8 + 9 + struct.unpack('<Q', whole[9:17])[0]
    fields = text_field(b'foxglove.Log') + text_field(schema) + text_field(b'\x0a\xff\xfe{}')
    channel = text_field(b'/log') + text_field(schema.replace(b'schema', b'')) + text_field(b'')
    added = mcap_record(3, struct.pack('<H', 90) + fields)
    added += mcap_record(4, struct.pack('<HH', 90, 90) + channel)
    added += mcap_record(5, struct.pack('<HIQQ', 90, 0, 5, 5) + b'{}')
    footer = mcap_record(2, bytes(20)) + whole[:8]
    data = whole[head:]
    # Without its summary the file is scanned from the start.
    end = data.index(mcap_record(15, bytes(4)))
    alone = tmp_path / 'alone.mcap'
    alone.write_bytes(whole[:head] + added + data[:end] + mcap_record(15, bytes(4)) + footer)
    frames = open_source(alone).frames
    assert len(frames) == IMAGES
    with pytest.raises(BagError, match='/log: expected messages of ROS 2'):
        list(BagFile(alone).messages(['/log']))


def half_in_the_wal(folder: Path, records, *, has_metadata: bool = False) -> Path:
    """A killed recording whose last messages wait in the `-wal`; its `.db3`."""
    path = write_records(folder / 'bag', records, 'sqlite3')
    with contextlib.closing(sqlite3.connect(path / 'bag.db3')) as writer:
        writer.execute('PRAGMA journal_mode=WAL')
        rows = writer.execute('SELECT * FROM messages').fetchall()
        writer.execute('DELETE FROM messages WHERE id > 4')
        writer.commit()
        writer.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        later = [row for row in rows if row[0] > 4]
        writer.executemany('INSERT INTO messages VALUES (?, ?, ?, ?)', later)
        writer.commit()
        (folder / 'killed').mkdir()
        for name in ('bag.db3', 'bag.db3-wal', *(['metadata.yaml'] if has_metadata else [])):
            shutil.copy(path / name, folder / 'killed' / name)
    return folder / 'killed' / 'bag.db3'


@pytest.mark.parametrize(('has_metadata', 'is_writable'), [(True, True), (False, False)])
def test_rows_that_wait_in_the_wal_of_a_killed_recorder_are_read(
    tmp_path, records, monkeypatch, has_metadata, is_writable
) -> None:
    killed = half_in_the_wal(tmp_path, records, has_metadata=has_metadata).parent
    before = (killed / 'bag.db3').read_bytes(), (killed / 'bag.db3-wal').read_bytes()
    if not is_writable:
        connect = SqliteReader._connected

        def refuse(self: SqliteReader, path: Path, how: str) -> sqlite3.Connection:
            if how == 'mode=ro':
                raise sqlite3.OperationalError('unable to open database file')
            return connect(self, path, how)

        monkeypatch.setattr(SqliteReader, '_connected', refuse)
    check_drive(killed)
    bag = BagFile(killed)
    assert {topic.count for topic in bag.topics()} == {IMAGES}
    bag.close()
    assert before == ((killed / 'bag.db3').read_bytes(), (killed / 'bag.db3-wal').read_bytes())


def test_rows_in_a_wal_that_cannot_be_read_are_told(tmp_path, records, monkeypatch) -> None:
    path = write_records(tmp_path / 'bag', records, 'sqlite3')
    (path / 'bag.db3-wal').write_bytes(bytes(4096))

    def fail(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError('unable to open database file')

    monkeypatch.setattr('ghost_vpr_ros.replay.bags.storage.SqliteReader._connected', refuse)
    monkeypatch.setattr(shutil, 'copyfile', fail)
    with pytest.raises(BagError, match=r'4096 bytes of the recording lie .*No space left'):
        open_source(path)


def test_what_cannot_be_read_of_a_wal_is_told(tmp_path, records) -> None:
    database = half_in_the_wal(tmp_path, records)
    wal = Path(f'{database}-wal')
    data = wal.read_bytes()
    wal.write_bytes(data[: len(data) // 2])
    source = open_source(database)
    assert len(source) < IMAGES
    (note,) = (note for note in source.notes if '-wal' in note)
    assert note.startswith(f'{len(data) // 2 - 32} bytes in {wal} are not read')


def test_the_wal_beside_a_file_that_was_compressed_is_read(tmp_path, records) -> None:
    database = half_in_the_wal(tmp_path, records)
    packed = Path(f'{database}.zstd')
    packed.write_bytes(zstd.compress(database.read_bytes()))
    database.unlink()
    assert len(open_source(packed)) == IMAGES


def test_the_wal_lies_beside_the_file_and_not_beside_a_link_to_it(tmp_path, records) -> None:
    path = write_records(tmp_path / 'bag', records, 'sqlite3')
    writer = sqlite3.connect(path / 'bag.db3')
    writer.execute('PRAGMA journal_mode=WAL')
    writer.execute('DELETE FROM messages WHERE id > 4')
    writer.commit()
    link = tmp_path / 'link.db3'
    link.symlink_to(path / 'bag.db3')
    assert sum(topic.count for topic in BagFile(link).topics()) == 4
    writer.close()


def split_bag(folder: Path, records, listed: list[str]) -> Path:
    halves = [write_records(folder / name, records[part], 'mcap') for name, part in HALVES.items()]
    bag = folder / 'bag'
    bag.mkdir()
    for half in halves:
        shutil.copy(half / f'{half.name}.mcap', bag)
    text = (halves[0] / 'metadata.yaml').read_text()
    names = ', '.join(listed)
    text = re.sub(r'(relative_file_paths:)\s*- a\.mcap', rf'\1 [{names}]', text)
    (bag / 'metadata.yaml').write_text(text)
    return bag


HALVES = {'a': slice(0, 6), 'b': slice(6, 12)}


@pytest.mark.parametrize('listed', [['a.mcap', 'b.mcap'], ['b.mcap', 'a.mcap', 'b.mcap']])
def test_parts_of_a_bag_in_any_order_are_read_once(tmp_path, records, listed) -> None:
    source = open_source(split_bag(tmp_path, records, listed))
    assert [frame.name for frame in source.frames] == [f'/cam/compressed[{n}]' for n in range(6)]
    assert source.notes == ()


def test_a_part_that_the_metadata_does_not_list_is_told(tmp_path, records) -> None:
    source = open_source(split_bag(tmp_path, records, ['a.mcap']))
    assert len(source.frames) == 3
    (note,) = source.notes
    assert note.startswith('b.mcap not read') and 'ros2 bag reindex' in note


def test_a_single_fix_far_away_is_not_taken_and_told(tmp_path, records) -> None:
    stamp_ns = records[2][1]
    records[2] = fix(stamp_ns, -50.0, 8.0)
    source = open_source(write_records(tmp_path / 'bag', records))
    (note,) = source.notes
    assert note.startswith('1 of 6 fixes on /fix lie kilometres')
    latitudes = [frame.geo.latitude_deg for frame in source.frames]
    assert latitudes == pytest.approx([50.0 + 1e-4 * number for number in range(6)])
