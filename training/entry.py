"""Entry of a training command: its parser, its errors, its exit status."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable

from ghost_vpr_ros.core.errors import GhostVprError

EXIT_INTERRUPTED = 130

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def new_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m training.NAME`."""
    return argparse.ArgumentParser(
        prog=f'training.{name}',
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def finish(name: str, work: Callable[[], str | int]) -> int:
    """Do a command's work and print what it answers; the exit status.

    Args:
        name: of the command, for messages.
        work: its answer is the text for stdout, or an exit status where it has talked itself.

    Returns:
        1 after a known error or a full disk, which is one line on stderr; 130 after Ctrl-C.
    """
    try:
        answer = work()
    except GhostVprError as error:
        sys.stderr.write(f'training.{name}: error: {" ".join(str(error).split())}\n')
        return 1
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        where = f'{error.filename}: ' if error.filename else ''
        sys.stderr.write(
            f'training.{name}: error: {where}cannot be written ({error.strerror}); make room, or '
            'name another place\n'
        )
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f'training.{name}: interrupted; run again to go on\n')
        return EXIT_INTERRUPTED
    if isinstance(answer, int):
        return answer
    sys.stdout.write(answer)
    return 0
