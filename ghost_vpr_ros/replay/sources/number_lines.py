"""Text files with the same count of numbers in each line, as KITTI's and TUM's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.errors import SourceError

TUM_NUMBERS = 8
TUM_LINE = 'seconds x y z qx qy qz qw'

_MOST_SECONDS = (2**63 - 1) // 10**9
_NORMS = (0.5, 2.0)
"""Lengths of a quaternion that was rounded; others are of other columns."""

_SEPARATED = (
    'separate numbers by spaces and write decimals with a point (`evo_traj euroc data.csv '
    "--save_as_tum` does so with EuRoC's tables)"
)


@dataclass(frozen=True)
class NumberLines:
    """The content of a file.

    Attributes:
        path: of the file.
        lines: (N,) of the file, from 1.
        words: (N, M) the numbers as they are written.
        numbers: (N, M) the same as float64, all finite.
    """

    path: Path
    lines: tuple[int, ...]
    words: tuple[tuple[str, ...], ...]
    numbers: NDArray[np.float64]

    def error(self, row: int, text: str) -> SourceError:
        """An error in the row with this number, from 0."""
        return SourceError(f'{self.path} row {self.lines[row]}: {text}')


def read_number_lines(path: Path) -> NumberLines:
    """The numbers of a file; `#` starts a remark, and empty lines are skipped.

    Raises:
        SourceError: unreadable, a word that is no finite number, or lines of unequal lengths.
    """
    try:
        text = path.read_text('utf-8-sig')
    except OSError as error:
        raise SourceError(f'{path}: the file cannot be read ({error.strerror})') from error
    except UnicodeDecodeError as error:
        raise SourceError(f'{path}: expected a text file with numbers, found others') from error
    split = [(n, line.split('#')[0].split()) for n, line in enumerate(text.splitlines(), 1)]
    filled = [(number, tuple(found)) for number, found in split if found]
    for number, found in filled:
        if len(found) != len(filled[0][1]):
            raise SourceError(
                f'{path} row {number}: expected {len(filled[0][1])} numbers as in the first row, '
                f'found {len(found)}; is the file complete?'
            )
    numbers = [[_number(word, path, number) for word in found] for number, found in filled]
    lines = tuple(number for number, _ in filled)
    return NumberLines(
        path, lines, tuple(found for _, found in filled), np.array(numbers, np.float64, ndmin=2)
    )


def tum_poses(content: NumberLines) -> list[tuple[int, Pose]]:
    """Stamps in nanoseconds and poses of a TUM trajectory; zeros in place of a quaternion: none.

    Raises:
        SourceError: another count of numbers, a stamp of another unit, or no unit quaternion.
    """
    if content.numbers.shape[1] != TUM_NUMBERS:
        raise content.error(0, f'expected `{TUM_LINE}`, found {" ".join(content.words[0])[:80]!r}')
    stamps_ns = stamps_of_seconds(content)
    norms = np.linalg.norm(content.numbers[:, 4:], axis=1)
    is_turn = (norms >= _NORMS[0]) & (norms <= _NORMS[1])
    odd = np.flatnonzero(~is_turn & (norms > 0.0))
    if len(odd):
        found = ' '.join(content.words[odd[0]][4:])
        raise content.error(
            int(odd[0]), f'expected a unit quaternion qx qy qz qw at the end, found {found}'
        )
    return [
        (stamp_ns, Pose(row[1:4], row[4:] / norm if norm > 0.0 else None))
        for stamp_ns, row, norm in zip(stamps_ns, content.numbers, norms, strict=True)
    ]


def stamps_of_seconds(content: NumberLines) -> list[int]:
    """Nanoseconds of the first column, exactly; other units of the day are known by their size.

    Raises:
        SourceError: not the seconds of a clock.
    """
    odd = np.flatnonzero(
        ~((content.numbers[:, 0] >= 0) & (content.numbers[:, 0] <= _MOST_SECONDS))
    )
    if len(odd):
        found = float(content.numbers[odd[0], 0])
        raise content.error(
            int(odd[0]),
            f'expected seconds of 0 .. {_MOST_SECONDS:.0f} as stamps, found {found:.12g}'
            + ('; divide nanoseconds by 1e9' if found > 0 else ''),
        )
    return [round(Decimal(words[0]) * 10**9) for words in content.words]


def _number(word: str, path: Path, line: int) -> float:
    try:
        number = math.nan if '_' in word else float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        step = f'; {_SEPARATED}' if ',' in word or ';' in word else ''
        raise SourceError(f'{path} row {line}: expected finite numbers, found {word[:80]!r}{step}')
    return number
