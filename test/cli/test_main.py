"""Exit statuses and the common behaviour of all commands."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from ghost_vpr_ros import __version__
from ghost_vpr_ros.cli import doctor, main
from ghost_vpr_ros.core.errors import MapError

RUN_MAIN = 'import sys; from ghost_vpr_ros.cli.main import main; sys.exit(main())'


def exit_code(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as exit_info:
        main.main(list(arguments))
    return exit_info.value.code


def test_version_is_that_of_the_package(capsys):
    assert exit_code('--version') == 0
    assert capsys.readouterr().out == f'ghost-vpr {__version__}\n'


@pytest.mark.parametrize(
    'arguments', [(), ('no-such-command',), ('query',), ('info', '--nonsense')]
)
def test_wrong_usage_exits_with_2(arguments):
    assert exit_code(*arguments) == 2


@pytest.mark.parametrize('command', main.COMMANDS)
def test_every_command_has_help(command, capsys):
    assert exit_code(command, '--help') == 0
    assert f'usage: ghost-vpr {command}' in capsys.readouterr().out


def test_usage_before_an_error_names_what_has_to_be_given(capsys):
    assert exit_code('live', 'photos') == 2
    assert capsys.readouterr().err.startswith('usage: ghost-vpr live SOURCE --map MAP [options]')


def test_help_does_not_import_the_heavy_libraries():
    script = (
        'import sys; from ghost_vpr_ros.cli.main import make_parser; make_parser(["--help"]); '
        'heavy = ("torch", "faiss", "numpy", "scipy", "matplotlib", "rosbags", "rclpy"); '
        'print([name for name in heavy if name in sys.modules])'
    )
    found = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    assert found.stdout == '[]\n'


def test_a_known_error_is_one_line_and_exit_1(program, monkeypatch):
    def fail(args):
        raise MapError('town.map: is damaged;\n  build it again')

    monkeypatch.setattr(doctor, 'run', fail)
    assert program('doctor').error == 'town.map: is damaged; build it again'


def test_an_unknown_error_keeps_its_traceback(monkeypatch):
    def fail(args):
        raise ZeroDivisionError('a defect')

    monkeypatch.setattr(doctor, 'run', fail)
    with pytest.raises(ZeroDivisionError):
        main.main(['doctor'])


def test_ctrl_c_exits_with_130(program, monkeypatch):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, 'run', interrupt)
    outcome = program('doctor')
    assert (outcome.status, outcome.err) == (130, 'ghost-vpr: interrupted\n')


def test_a_misspelt_option_is_told_with_the_nearest(capsys):
    assert exit_code('query', 'a.map', 'b.jpg', '--topk', '1') == 2
    assert 'unrecognized arguments: --topk 1; did you mean --top-k?' in capsys.readouterr().err


def test_output_on_a_full_disk_is_one_line(program, monkeypatch):
    def fail(args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(doctor, 'run', fail)
    monkeypatch.setattr(main, 'silence_stdout', lambda: None)
    assert program('doctor').error == (
        'the output cannot be written (No space left on device); make room, or name another place'
    )


def test_a_name_that_is_too_long_is_one_line(program):
    error = program('build-map', '.', 'a' * 300).error
    assert 'File name too long' in error and len(error) < 300


def test_a_folder_that_may_not_be_entered_is_one_line(program, monkeypatch):
    def fail(args):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), 'maps/a.map')

    monkeypatch.setattr(doctor, 'run', fail)
    assert program('doctor').error.startswith('maps/a.map: Permission denied; check')


def test_a_closed_standard_output_is_no_error(monkeypatch):
    monkeypatch.setattr(doctor, 'run', lambda args: print('unheard') or 0)
    monkeypatch.setattr(sys, 'stdout', None)
    assert main.main(['doctor']) == 0


@pytest.mark.parametrize(
    ('number', 'before', 'status'),
    [
        (signal.SIGTERM, signal.SIG_DFL, 143),
        (signal.SIGHUP, signal.SIG_DFL, 129),
        (signal.SIGHUP, signal.SIG_IGN, 0),
    ],
)
def test_signals_end_a_command_in_order_and_nohup_is_kept(monkeypatch, number, before, status):
    def run(args):
        signal.raise_signal(number)
        return 0

    monkeypatch.setattr(doctor, 'run', run)
    ours = signal.signal(number, before)
    try:
        try:
            found = main.main(['doctor'])
        except SystemExit as ending:
            found = ending.code
        assert (found, signal.getsignal(number)) == (status, before)
    finally:
        signal.signal(number, ours)


def test_a_reader_that_goes_away_is_no_error(built, folder):
    images = [str(path) for path in sorted(folder.glob('*.jpg'))] * 20
    process = subprocess.Popen(
        [sys.executable, '-c', RUN_MAIN, 'query', str(built), *images],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _, err = process.communicate(timeout=120)
    assert process.returncode == main.EXIT_BROKEN_PIPE
    assert err == b''


def test_a_missing_extra_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, 'PIL', None)
    replay = sorted(name for name in sys.modules if name.startswith('ghost_vpr_ros.replay.'))
    for name in reversed(replay):
        folder, _, module = name.rpartition('.')
        monkeypatch.delattr(sys.modules[folder], module)
        monkeypatch.delitem(sys.modules, name)
    assert main.main(['build-map', str(tmp_path), str(tmp_path / 'out.map')]) == 1
    assert (
        'needs PIL, which is not installed; install it with pip install pillow'
        in capsys.readouterr().err
    )
