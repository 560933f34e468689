"""Entry point of a training command: parser, error messages, exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.system_errors import sentence_of, silence_stdout

EXIT_INTERRUPTED = 130

_EXIT_BROKEN_PIPE = 141


def new_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m training.NAME`."""
    return argparse.ArgumentParser(
        prog=f'training.{name}',
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def finish(name: str, work: Callable[[], str | int]) -> int:
    """Run a command, print its text, and return the exit status.

    Args:
        name: of the command, for messages.
        work: returns the text for stdout, or an exit status if it has printed its output itself.

    Returns:
        1 after a known error or a system error such as a full disk, reported in one line on
        stderr; 130 after Ctrl-C; 141 if the output pipe is closed.
    """
    try:
        result = work()
        if not isinstance(result, int):
            sys.stdout.write(result)
            sys.stdout.flush()
    except GhostVprError as error:
        sys.stderr.write(f'training.{name}: error: {" ".join(str(error).split())}\n')
        return 1
    except BrokenPipeError:
        silence_stdout()
        return _EXIT_BROKEN_PIPE
    except OSError as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        sys.stderr.write(f'training.{name}: error: {sentence}\n')
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f'training.{name}: interrupted; run again to continue\n')
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else 0
