from pathlib import Path

import pytest

from ghost_vpr_ros.core.whole_file import write_whole


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
