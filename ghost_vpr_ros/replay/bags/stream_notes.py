"""Finds topics that mix several streams: two cameras, two frames, one stamp for many messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.replay.bags.position_track import longest_leap, without_spikes


def camera_notes(topic: str, stamps_ns: Sequence[int], cameras: Sequence[str]) -> list[str]:
    """Sentences on images of several cameras, or with equal stamps.

    Args:
        topic: of the images.
        stamps_ns: (N,) of their headers.
        cameras: (N,) frames of their headers.
    """
    counts = Counter(name for name in cameras if name)
    if len(counts) > 1:
        return [
            f'the images on {topic} are of {len(counts)} frames ({counted(counts)}); where they '
            'are of several cameras, record each on a topic of its own'
        ]
    num_equal = len(stamps_ns) - len(set(stamps_ns))
    if not num_equal:
        return []
    return [
        f'{num_equal} of {len(stamps_ns)} images on {topic} have the stamp of another one, and '
        'its position; let the driver stamp each image'
    ]


def usual_frame(topic: str, frames: Sequence[str]) -> tuple[str, list[str]]:
    """The frame of most poses, and a sentence if others are in another one.

    Args:
        topic: of the poses.
        frames: (N,) of their headers.
    """
    counts = Counter(frames)
    if len(counts) < 2:
        return (frames[0] if frames else ''), []
    usual = counts.most_common(1)[0][0]
    others = len(frames) - counts[usual]
    return usual, [
        f'the poses on {topic} are in {len(counts)} frames ({counted(counts)}); the {others} '
        f'outside of {usual!r} are not taken'
    ]


def sound_positions(
    where: str, stamped: Sequence[tuple[int, Pose]], *, is_geo: bool
) -> tuple[list[tuple[int, Pose]], list[str]]:
    """Positions without single ones that no vehicle can have reached, and sentences on leaps.

    Args:
        where: the topic or file that they are from.
        stamped: stamps in nanoseconds and poses, or degrees, in order of recording.
        is_geo: whether they are degrees.
    """
    sound = without_spikes(stamped, is_geo=is_geo)
    notes = []
    if len(sound) < len(stamped):
        notes.append(
            f'{len(stamped) - len(sound)} of {len(stamped)} {"fixes" if is_geo else "poses"} on '
            f'{where} lie kilometres from those before and behind them; not taken'
        )
    leap_m, seconds = longest_leap(sound, is_geo=is_geo)
    if leap_m:
        notes.append(
            f'the positions on {where} leap by {leap_m / 1000:,.3g} km within {seconds:.3g} s; '
            'where a program has started them anew, the places before and after do not fit '
            'together: make a source of each part'
        )
    return sound, notes


def counted(counts: Counter[str]) -> str:
    """`odom: 7, map: 3`."""
    return ', '.join(f'{name or "without a name"}: {count}' for name, count in counts.items())
