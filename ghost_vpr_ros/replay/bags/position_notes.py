"""Finds problems with the positions of a bag's images: gaps, and clocks that disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.stamps import TWO_CLOCKS_S, span_text

_FEW = 0.05
"""Share of images below which a wrong stamp of the other stream is the cause."""


_MINUTE_S = 60.0
_LIVE = (0.5, 2.0)
"""Time that a recording took over that of its stamps; others were converted, not recorded."""


class Stream(NamedTuple):
    """The times of a topic's messages in order of recording.

    Attributes:
        stamps_ns: (N,) of their headers.
        log_ns: (N,) when they were recorded.
    """

    stamps_ns: Sequence[int]
    log_ns: Sequence[int]


def gap_note(
    images: Stream, is_located: Sequence[bool], positions: Stream, max_gap_s: float
) -> str:
    """A sentence on images between positions that are too far apart in time, or empty.

    Args:
        images: of the bag.
        is_located: whether an image has a position.
        positions: the valid ones of their topic.
        max_gap_s: across which is interpolated at least.
    """
    there_ns = np.unique(np.array(positions.stamps_ns, np.int64))
    stamps_ns = np.array(images.stamps_ns, np.int64)[~np.array(is_located, bool)]
    inside = stamps_ns[(stamps_ns > there_ns[0]) & (stamps_ns < there_ns[-1])]
    behind = np.searchsorted(there_ns, inside)
    gaps_s = (there_ns[behind] - there_ns[behind - 1]) / 1e9
    gaps_s = gaps_s[gaps_s > max_gap_s]
    if not len(gaps_s):
        return ''
    longest_s = float(gaps_s.max())
    longest = f'{longest_s:.1f} s' if longest_s < _MINUTE_S else span_text(longest_s)
    return (
        f'{len(gaps_s)} of {len(is_located)} images lie between positions that are up to '
        f'{longest} apart, too far to interpolate; raise --max-gap-s where the camera moved evenly'
    )


def clock_note(images: Stream, is_located: Sequence[bool], positions: Stream) -> str:
    """A sentence on stamps from two clocks, judged by the times of recording, or empty.

    Args:
        images: of the bag.
        is_located: whether an image has a position.
        positions: the valid ones of their topic.
    """
    took_ns, lasted_ns = float(np.ptp(images.log_ns)), float(np.ptp(images.stamps_ns))
    if not _LIVE[0] * lasted_ns <= took_ns <= _LIVE[1] * lasted_ns:
        return ''
    apart_ns = _apart_ns(images, positions)[np.array(is_located, bool)]
    wrong_ns = apart_ns[np.abs(apart_ns) > TWO_CLOCKS_S * 1e9]
    if len(wrong_ns) <= _FEW * len(is_located):
        return ''
    ahead_s = float(np.median(wrong_ns)) / 1e9
    return (
        f'stamped {span_text(abs(ahead_s))} {"later" if ahead_s > 0 else "earlier"} than '
        f'{len(wrong_ns)} of {len(is_located)} images that were recorded with it: their positions '
        'are those of other moments; let both drivers stamp by one clock (that of GPS is 18 s '
        'ahead of UTC)'
    )


def _apart_ns(images: Stream, positions: Stream) -> NDArray[np.int64]:
    """(N,) by how much the position recorded before each image is stamped too late."""
    there = np.array([positions.stamps_ns, positions.log_ns], np.int64)
    there = there[:, np.argsort(there[1], kind='stable')]
    here = np.array([images.stamps_ns, images.log_ns], np.int64)
    before = np.maximum(np.searchsorted(there[1], here[1], 'right') - 1, 0)
    return np.asarray((there[0] - there[1])[before] - (here[0] - here[1]), np.int64)
