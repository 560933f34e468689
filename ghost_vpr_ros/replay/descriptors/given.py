"""Descriptors that were made elsewhere: arrays in the order of the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import SourceError


def read_descriptors(path: Path, count: int) -> NDArray[np.float32]:
    """(count, D) float32, unit norm, of a `.npy` file.

    Raises:
        SourceError: unreadable, no numbers, or not one descriptor for each of `count` images.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except OSError as error:
        raise SourceError(
            f'{path}: the descriptors cannot be read ({error.strerror}); check the path'
        ) from error
    except (ValueError, EOFError) as error:
        raise SourceError(
            f'{path}: expected an array of numbers as numpy.save writes it, found Python objects '
            'or a damaged file; save the descriptors as float32 (N, D)'
        ) from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind != 'f':
        kind = f'{found.dtype} {found.shape}' if isinstance(found, np.ndarray) else 'an archive'
        raise SourceError(f'{path}: expected descriptors (N, D) of float numbers, found {kind}')
    if len(found) != count:
        raise SourceError(
            f'{path}: expected one descriptor for each of {count} images, found {len(found)}; '
            'describe the same images in the same order (natural order of their names)'
        )
    length = np.linalg.norm(found.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(length).all() or not (length > 0.0).all():
        raise SourceError(f'{path}: expected finite descriptors that are not zero, found others')
    return np.asarray(found / length, np.float32)


def check_one_size(
    paths: Sequence[Path], database: NDArray[np.float32], queries: NDArray[np.float32]
) -> None:
    """Raise `SourceError` where both are not of one D."""
    if database.shape[1] != queries.shape[1]:
        raise SourceError(
            f'{paths[1]}: expected descriptors of D={database.shape[1]}, as in {paths[0]}, found '
            f'D={queries.shape[1]}; describe both with one network'
        )
