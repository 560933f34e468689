import argparse
import errno
import os
from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from training.command import run_experiment
from training.entry import EXIT_INTERRUPTED, finish, new_parser


def refuse() -> str:
    raise SourceError('photos:\nnone')


def interrupt() -> str:
    raise KeyboardInterrupt


def test_an_answer_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish('some', lambda: 'done\n') == 0
    assert capsys.readouterr().out == 'done\n'


def test_a_status_is_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish('some', lambda: 1) == 1
    assert capsys.readouterr().out == ''


def test_a_known_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish('some', refuse) == 1
    assert capsys.readouterr().err == 'training.some: error: photos: none\n'


def test_an_interruption_has_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish('some', interrupt) == EXIT_INTERRUPTED
    assert capsys.readouterr().err == 'training.some: interrupted; run again to continue\n'


def test_only_a_resumed_run_needs_no_configuration(tmp_path: Path) -> None:
    (tmp_path / 'config.yaml').write_text('seed: 7\n')
    given = argparse.Namespace(config=None, out=tmp_path, set=[], resume=True)
    assert run_experiment(given, ['seed=8']).seed == 8
    given.resume = False
    with pytest.raises(ConfigError, match='add --config or --resume'):
        run_experiment(given)


def test_the_parser_names_the_command() -> None:
    assert new_parser('some', 'What it does.').prog == 'training.some'


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EROFS, errno.EFBIG, errno.EIO])
def test_a_full_disk_is_one_line(capsys: pytest.CaptureFixture[str], code: int) -> None:
    def work() -> str:
        raise OSError(code, os.strerror(code), 'maps.npy')

    assert finish('some', work) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('training.some: error: maps.npy: cannot be written (')


def test_a_missing_file_that_nobody_expected_is_a_defect() -> None:
    def work() -> str:
        raise FileNotFoundError(errno.ENOENT, 'No such file or directory')

    with pytest.raises(FileNotFoundError):
        finish('some', work)
