import os
from pathlib import Path

import pytest

from ghost_vpr_ros.core.whole_file import sealed, unfinished_file, unsealed, write_whole


@pytest.mark.parametrize('durable', [True, False])
def test_a_file_is_replaced(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / 'file'
    for content in (b'one', b'two'):
        write_whole(path, content, durable=durable)
    assert path.read_bytes() == b'two'
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'file'
    path.write_bytes(b'one')

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(OSError, match='No space'):
        write_whole(path, b'two', durable=True)
    assert path.read_bytes() == b'one'
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_waits_is_never_written_through(tmp_path: Path) -> None:
    victim = tmp_path / 'victim'
    victim.write_bytes(b'mine')
    for name in (
        '.file.unfinished',
        f'.file.{os.getpid()}.partial',
        f'.file.{"0" * 16}.unfinished',
    ):
        (tmp_path / name).symlink_to(victim)
    write_whole(tmp_path / 'file', b'two', durable=False)
    assert victim.read_bytes() == b'mine'
    assert not (tmp_path / 'file').is_symlink()


def test_what_a_killed_process_left_is_removed_and_a_living_one_is_not_disturbed(
    tmp_path: Path,
) -> None:
    abandoned = tmp_path / f'.file.{"ab" * 8}.unfinished'
    abandoned.write_bytes(b'half')
    abandoned.with_name(abandoned.name + '-journal').write_bytes(b'')
    foreign = tmp_path / '.file.backup.unfinished'
    foreign.write_bytes(b'of somebody else')
    with unfinished_file(tmp_path / 'file') as living:
        write_whole(tmp_path / 'file', b'one', durable=True)
        assert living.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [foreign.name, 'file']


def test_pieces_are_written_in_their_order(tmp_path: Path) -> None:
    write_whole(tmp_path / 'file', [b'one ', memoryview(b'two')], durable=False)
    assert (tmp_path / 'file').read_bytes() == b'one two'


def test_a_seal_breaks_with_any_bit() -> None:
    whole = sealed(b'content')
    assert unsealed(whole) == b'content'
    assert unsealed(b'content') is None
    for place in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        assert unsealed(bytes(changed)) is None
