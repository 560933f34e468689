"""The work list of `ghost-vpr describe`: shards on a disk that several processes take from.

A shard is leased by a lock on a file beside it. The kernel gives the lock back when the process
ends, however it ends; on a network disk with locks (NFS 4) that holds between machines, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.datatypes import Frame, Progress
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.errors import ImageError, OutputError
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.whole_file import sealed, write_whole
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from ghost_vpr_ros.replay.descriptors.plan import DescriptorPlan

_WAIT_S = 0.5
"""Until shards that others hold are checked again: their holders may have died."""


@contextlib.contextmanager
def leased(plan: DescriptorPlan, number: int) -> Iterator[bool]:
    """Yield whether this process may describe the shard: it is free and not finished."""
    lock = plan.path_of(number).with_suffix('.lock')
    # Not truncated: a file of this name is not changed.
    with lock.open('ab') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            # Checked under the lock: another process may have finished it since.
            yield not plan.path_of(number).exists()
        finally:
            # A process that still opens the old file finds the shard finished, or locks a new one.
            if plan.path_of(number).exists():
                lock.unlink(missing_ok=True)


def describe_shards(
    plan: DescriptorPlan,
    frames: Sequence[Frame],
    model: DescribedModel,
    engine: Engine,
    *,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Take free shards until all are finished, by this process or by others.

    Args:
        plan: of these frames.
        frames: all N.
        model: whose preprocessing is applied.
        engine: runs the model.
        progress: called with the number of frames after each batch.
        should_stop: checked between shards.

    Raises:
        ImageError: an image cannot be read; the message names it and the next step.
        OutputError: the disk is full or not writable.
    """
    while not should_stop():
        number_done = 0
        waiting = False
        for number in plan.unfinished():
            waiting = True
            if should_stop():
                return
            number_done += _describe_if_free(plan, number, frames, model, engine, progress)
        if not waiting:
            return
        if not number_done:
            time.sleep(_WAIT_S)


def _describe_if_free(
    plan: DescriptorPlan,
    number: int,
    frames: Sequence[Frame],
    model: DescribedModel,
    engine: Engine,
    progress: Progress | None,
) -> bool:
    rows = plan.shard(number)
    try:
        with leased(plan, number) as is_ours:
            if is_ours:
                members = frames[rows.start : rows.stop]
                found = extract_descriptors(members, model, engine, progress=progress)
                _write_shard(plan, number, found.astype(plan.dtype))
    except ImageError as error:
        raise ImageError(f'{error}; {_next_step(plan)}') from error
    except OSError as error:
        raise OutputError(
            f'{plan.path_of(number)}: the file cannot be written ({error.strerror}); free some '
            'space or check the permissions, and give the command again to continue'
        ) from error
    return is_ours


def _next_step(plan: DescriptorPlan) -> str:
    """What to do about an image that cannot be read."""
    count = plan.count_finished()
    if not count:
        return 'replace or remove the image and give the command again'
    return (
        f'{plan.folder} holds {count} of {plan.num_frames} images: replace the image and give the '
        'command again to continue, or describe the others into a new folder'
    )


def remove_unused(plan: DescriptorPlan) -> None:
    """Remove a plan of which nothing is described and on which no process works.

    It would bind the folder to a list of images that may have to be changed first.
    """
    shards = plan.path_of(0).parent
    locks = sorted(shards.glob('*.lock'))
    if plan.count_finished() or any(map(_is_held, locks)):
        return
    # The plan first: without it the folder is a new one.
    for path in (*plan.files, *locks):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        shards.rmdir()


def _is_held(lock: Path) -> bool:
    with lock.open('ab') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _write_shard(plan: DescriptorPlan, number: int, descriptors: np.ndarray) -> None:
    data = io.BytesIO()
    np.save(data, descriptors, allow_pickle=False)
    content = data.getvalue()
    write_whole(plan.path_of(number), sealed(content) if plan.is_sealed else content, durable=True)
