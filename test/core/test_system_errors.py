"""Errors of the system: sentences for those that a user can resolve."""

import errno
import os

import pytest

from ghost_vpr_ros.core.system_errors import sentence_of


def error_of(code: int, path: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), *([] if path is None else [path]))


@pytest.mark.parametrize(
    ('error', 'sentence'),
    [
        (error_of(errno.ENOSPC, 'a.map'), 'a.map: cannot be written (No space left on device); m'),
        (error_of(errno.EFBIG), 'the output cannot be written (File too large); make room'),
        (error_of(errno.EBADF), 'the output cannot be written (Bad file descriptor)'),
        (
            error_of(errno.EACCES, '/x'),
            '/x: Permission denied; check the path',
        ),
        (error_of(errno.ENAMETOOLONG, 'a' * 300), f'{"a" * 120}...: File name too long; check'),
        (error_of(errno.EMFILE), 'Too many open files; end other programs, or raise the limit'),
    ],
)
def test_what_a_user_can_resolve_has_a_next_step(error, sentence):
    assert sentence_of(error).startswith(sentence)


@pytest.mark.parametrize('error', [error_of(errno.ENOENT, 'a'), error_of(errno.EACCES)])
def test_other_errors_are_defects(error):
    assert sentence_of(error) is None


def test_a_current_folder_that_was_removed_is_named(tmp_path, monkeypatch):
    gone = tmp_path / 'gone'
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    found = sentence_of(error_of(errno.ENOENT))
    assert found == 'the current folder no longer exists; change to another one'
