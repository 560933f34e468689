"""What SQLite does not read of a `-wal`, compared with how many rows SQLite finds."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ghost_vpr_ros.core.write_ahead_log import is_damaged, lost_bytes

ROWS = 20
PAGE = 1024
FRAME = 24 + PAGE


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database whose rows, a page and a transaction each, all wait in its `-wal`."""
    with closing(sqlite3.connect(tmp_path / 'live.db3')) as opened:
        opened.execute(f'PRAGMA page_size={PAGE}')
        opened.execute('PRAGMA journal_mode=WAL')
        opened.execute('CREATE TABLE messages (data BLOB)')
        opened.commit()
        opened.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        add_rows(opened, ROWS)
        yield opened


def add_rows(database: sqlite3.Connection, count: int) -> None:
    for _ in range(count):
        database.execute('INSERT INTO messages VALUES (randomblob(900))')
        database.commit()


def killed(database: sqlite3.Connection, folder: Path) -> Path:
    """A copy as a killed recorder leaves it; the path of its `-wal`."""
    for suffix in ('', '-wal'):
        shutil.copy(folder / f'live.db3{suffix}', folder / f'killed.db3{suffix}')
    return folder / 'killed.db3-wal'


def rows_found(wal: Path) -> int:
    with closing(sqlite3.connect(str(wal).removesuffix('-wal'))) as opened:
        return int(opened.execute('SELECT count(*) FROM messages').fetchone()[0])


def test_of_a_whole_log_nothing_is_lost(database, tmp_path: Path) -> None:
    wal = killed(database, tmp_path)
    assert lost_bytes(wal) == 0
    assert rows_found(wal) == ROWS
    assert lost_bytes(tmp_path / 'none') == 0
    assert not is_damaged(wal) and not is_damaged(tmp_path / 'none')


@pytest.mark.parametrize('share', [0.0, 0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize('damage', ['cut', 'zeros', 'flip'])
def test_what_is_damaged_is_lost_with_all_that_follows(
    database, tmp_path: Path, share: float, damage: str
) -> None:
    wal = killed(database, tmp_path)
    data = bytearray(wal.read_bytes())
    at = round(share * len(data))
    data[at:] = {
        'cut': b'',
        'zeros': bytes(len(data) - at),
        'flip': bytes([data[at] ^ 1]) + data[at + 1 :],
    }[damage]
    wal.write_bytes(data)
    whole = 0 if at < 32 else (at - 32) // FRAME * FRAME + 32
    lost = lost_bytes(wal)
    # A transaction has up to four frames.
    assert 0 <= lost - (len(data) - whole) <= 4 * FRAME
    assert lost > 0 or not data
    assert is_damaged(wal) == (damage != 'cut')
    assert rows_found(wal) < ROWS


@pytest.mark.parametrize('byte', [8, 12, 15])
@pytest.mark.parametrize('number', [0, 10, -1])
def test_a_frame_with_another_salt_is_damaged(
    database, tmp_path: Path, byte: int, number: int
) -> None:
    wal = killed(database, tmp_path)
    data = bytearray(wal.read_bytes())
    frames = (len(data) - 32) // FRAME
    data[32 + number % frames * FRAME + byte] ^= 0x10
    wal.write_bytes(data)
    # Of the last frame alone another second salt is that of an earlier round as well.
    assert is_damaged(wal) or (number == -1 and byte != 8)
    assert rows_found(wal) < ROWS


def test_what_a_recorder_had_not_finished_is_lost(database, tmp_path: Path) -> None:
    database.execute('PRAGMA cache_size=1')
    for _ in range(50):
        database.execute('INSERT INTO messages VALUES (randomblob(900))')
    wal = killed(database, tmp_path)
    lost = lost_bytes(wal)
    assert lost > 20 * FRAME
    assert not is_damaged(wal)
    assert rows_found(wal) == ROWS
    database.commit()
    assert lost_bytes(killed(database, tmp_path)) == 0


def test_an_earlier_round_is_in_the_database_already(database, tmp_path: Path) -> None:
    database.execute('PRAGMA wal_checkpoint(RESTART)')
    add_rows(database, 2)
    wal = killed(database, tmp_path)
    assert wal.stat().st_size > ROWS * FRAME
    assert lost_bytes(wal) == 0 and not is_damaged(wal)
    assert rows_found(wal) == ROWS + 2
