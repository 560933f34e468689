"""The command `ghost-vpr`: one file for each subcommand; exit status 1 for a known error."""

from __future__ import annotations

import argparse
import difflib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType, ModuleType
from typing import Any

from ghost_vpr_ros import __version__
from ghost_vpr_ros.cli import (
    build_map,
    calibrate,
    compare,
    demo,
    describe,
    doctor,
    evaluate,
    export,
    finetune,
    info,
    live,
    make_bag,
    pairs,
    query,
    replay,
    sample_town,
    share,
)
from ghost_vpr_ros.cli.short_help import add_short_help
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.packages import how_to_install, name_of
from ghost_vpr_ros.core.system_errors import sentence_of, silence_stdout

_MODULES = (
    *(build_map, describe, query, live, evaluate, compare, calibrate, finetune, make_bag, replay),
    *(share, pairs, export, info, doctor, sample_town, demo),
)
COMMANDS: dict[str, ModuleType] = {
    module.__name__.rpartition('.')[2].replace('_', '-'): module for module in _MODULES
}

EXIT_KNOWN_ERROR = 1
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
_EXIT_BY_SIGNAL = 128


def make_parser(argv: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser with every subcommand.

    Given the command line, only the command it names gets its options, and commands import heavy
    things when they run: so `--help` is quick.
    """
    parser = argparse.ArgumentParser(
        prog='ghost-vpr',
        description='Visual place recognition: build maps from images or bags, query them, '
        'evaluate, and replay bags without ROS.',
    )
    parser.add_argument('--version', action='version', version=f'ghost-vpr {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or '').splitlines()[0].rstrip('.')
        common = getattr(module, 'COMMON_OPTIONS', ())
        sub = commands.add_parser(
            name, help=summary, description=module.__doc__, add_help=not common
        )
        if argv is None or name in argv:
            module.add_arguments(sub)
        if common:
            add_short_help(sub, common)
        sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 1 after a known error.

    A usage error exits with 2 (argparse), Ctrl-C gives 130, SIGTERM 143; an unknown error is a
    defect of ours and shows its traceback.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = make_parser(argv)
    args, strange = parser.parse_known_args(argv)
    if strange:
        parser.error(f'unrecognized arguments: {" ".join(strange)}{_hint(parser, args, strange)}')
    # The error itself reports what OpenCV and FFmpeg would log of a damaged image or video.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    _print_any_name()
    before = _handle_signals()
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except GhostVprError as error:
        print(f'ghost-vpr: error: {_one_line(error)}', file=sys.stderr)
        return EXIT_KNOWN_ERROR
    except KeyboardInterrupt:
        print('ghost-vpr: interrupted', file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        silence_stdout()
        return EXIT_BROKEN_PIPE
    except (ModuleNotFoundError, OSError) as error:
        sentence = _sentence_of(error)
        if sentence is None:
            raise
        print(f'ghost-vpr: error: {sentence}', file=sys.stderr)
        return EXIT_KNOWN_ERROR
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hint(
    parser: argparse.ArgumentParser, args: argparse.Namespace, strange: Sequence[str]
) -> str:
    """The option of the command that was probably meant."""
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    known = list(commands.choices[args.command]._option_string_actions)
    found = difflib.get_close_matches(strange[0].partition('=')[0], known, 1)
    return f'; did you mean {found[0]}?' if found else f'; see ghost-vpr {args.command} --help'


def _sentence_of(error: ModuleNotFoundError | OSError) -> str | None:
    """The next step after a system error; None if it is a defect of this package."""
    if isinstance(error, ModuleNotFoundError):
        hint, needed = how_to_install(error.name or ''), name_of(error.name or '')
        return None if hint is None else f'this needs {needed}, which is not installed; {hint}'
    sentence = sentence_of(error)
    if sentence is not None and error.filename is None:
        # Python's own flush at exit would fail again.
        silence_stdout()
    return sentence


def _handle_signals() -> dict[signal.Signals, Any]:
    """Stop a command cleanly after SIGTERM or SIGHUP; returns the former handlers."""
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate)}
    # Under nohup the command outlives its terminal.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _terminate)
    return before


def _print_any_name() -> None:
    """Print file names that are not UTF-8 with escapes, instead of failing.

    Standard streams that are closed (`>&-`) are replaced by nothing.
    """
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), 'w'))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def _terminate(number: int, frame: FrameType | None) -> None:
    """Exit normally, so that maps are committed and child processes stopped."""
    sys.exit(_EXIT_BY_SIGNAL + number)


def _one_line(error: GhostVprError) -> str:
    return ' '.join(str(error).split())


if __name__ == '__main__':
    sys.exit(main())
