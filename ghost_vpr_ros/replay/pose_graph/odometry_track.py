"""The odometry of a drive at the stamps of its images, without the links that cannot be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.core.poses import matrix_of, pose_of
from ghost_vpr_ros.core.recognition.odometry import StampedMemory
from ghost_vpr_ros.core.stamps import Order, StampOrder
from ghost_vpr_ros.replay.bags.file import BagFile
from ghost_vpr_ros.replay.bags.pose_messages import ODOMETRY_TYPE, pose_of_message, stamp_of
from ghost_vpr_ros.replay.bags.position_track import make_track
from ghost_vpr_ros.replay.bags.stream_notes import counted
from ghost_vpr_ros.replay.config import OdometryConfig

Stamped = tuple[int, Pose]

_SAME_M, _SAME_DEG = 1e-3, 1e-2


@dataclass(frozen=True)
class Break:
    """A span of time, in nanoseconds, across which the odometry is unreliable, and why."""

    start_ns: int
    end_ns: int
    reason: str


@dataclass(frozen=True)
class OdometryTrack:
    """Poses at the images of a drive, in order of their stamps.

    Attributes:
        stamps_ns: (N,) int64 of the images.
        odom_T_body: (N, 4, 4), NaN where there is no odometry.
        breaks: spans of time that no link may touch.
        source: where it comes from, in words.
    """

    stamps_ns: NDArray[np.int64]
    odom_T_body: NDArray[np.float64]
    breaks: Sequence[Break]
    source: str

    @property
    def known(self) -> NDArray[np.int64]:
        """Numbers of the images with odometry."""
        return np.flatnonzero(np.isfinite(self.odom_T_body[:, 0, 3]))

    def remembered(self) -> StampedMemory[Pose]:
        """The same as the node would have it, image by image."""
        memory: StampedMemory[Pose] = StampedMemory()
        for number in self.known:
            memory.add(int(self.stamps_ns[number]), pose_of(self.odom_T_body[number]))
        return memory

    def links(self) -> list[tuple[int, int, str]]:
        """Both images of each link and why it is left out: empty for a reliable link."""
        pairs = pairwise(self.known.tolist())
        return [(first, second, self._fault(first, second)) for first, second in pairs]

    def _fault(self, first: int, second: int) -> str:
        start_ns, end_ns = int(self.stamps_ns[first]), int(self.stamps_ns[second])
        found = [b.reason for b in self.breaks if b.start_ns < end_ns and b.end_ns > start_ns]
        return '; '.join(found)


def read_odometry(
    path: Path,
    topic: str,
    stamps_ns: Sequence[int],
    config: OdometryConfig,
    max_speed_m_s: float,
    max_gap_s: float,
) -> OdometryTrack:
    """The odometry of a bag at the stamps of its images.

    Args:
        path: the bag.
        topic: name of a nav_msgs/Odometry topic.
        stamps_ns: of the images, ascending.
        config: limits of reliable odometry.
        max_speed_m_s: odometry that is faster has jumped.
        max_gap_s: longest time between two messages across which is interpolated.

    Raises:
        BagError: damaged, or no message holds a position and an orientation.
    """
    stamped = [(stamp_ns, pose) for stamp_ns, pose, _ in _stamped_poses(path, topic)]
    if not stamped:
        raise BagError(
            f'{path}: none of the messages on {topic} holds a finite position and an orientation; '
            'choose another topic with --odometry-topic'
        )
    return make_odometry(stamped, stamps_ns, config, max_speed_m_s, max_gap_s, f'topic {topic}')


def remembered_odometry(path: Path, topic: str) -> tuple[StampedMemory[Pose], list[str]]:
    """The odometry of a bag as the node has it: message by message, in their order.

    Returns:
        the poses, and a sentence where they are in several frames.

    Raises:
        BagError: damaged.
    """
    memory: StampedMemory[Pose] = StampedMemory()
    frames = Counter[str]()
    for stamp_ns, pose, frame in _stamped_poses(path, topic):
        memory.add(stamp_ns, pose)
        frames[frame] += 1
    if len(frames) < 2:
        return memory, []
    return memory, [
        f'the odometry on {topic} is in {len(frames)} frames ({counted(frames)}), between which '
        'it jumps; record that of each program on a topic of its own'
    ]


def _stamped_poses(path: Path, topic: str) -> Iterator[tuple[int, Pose, str]]:
    """Stamp, pose and frame of those that have a position and an orientation."""
    for message in BagFile(path).messages([topic]):
        pose = pose_of_message(message.content, ODOMETRY_TYPE)
        if pose is not None and pose.quaternion_xyzw is not None:
            header = message.content.header
            yield stamp_of(header, message.log_ns), pose, header.frame_id.lstrip('/')


def odometry_topic_of(path: Path, wanted: str) -> str | None:
    """The topic that odometry comes from; None where the bag has none and none was named.

    Raises:
        BagError: no such topic of odometry, or several to choose from.
    """
    names = odometry_topics_of(path, wanted)
    if len(names) > 1:
        raise BagError(
            f'{path}: {len(names)} topics hold odometry; choose one with {_choice(names)}'
        )
    return names[0] if names else None


def odometry_topics_of(path: Path, wanted: str) -> list[str]:
    """All topics that hold odometry, or the requested one.

    Raises:
        BagError: the requested one is not among them.
    """
    topics = [t for t in BagFile(path).topics() if t.msgtype == ODOMETRY_TYPE and t.count > 0]
    names = [topic.name for topic in topics]
    if not wanted:
        return names
    fitting = [name for name in names if name.lstrip('/') == wanted.lstrip('/')]
    if not fitting:
        raise BagError(f'{path}: there is no odometry on {wanted}; {_choice(names)}')
    return fitting


def _choice(names: Sequence[str]) -> str:
    return ' or '.join(f'--odometry-topic {name}' for name in names) or 'it has no odometry'


def make_odometry(
    stamped: Sequence[Stamped],
    stamps_ns: Sequence[int],
    config: OdometryConfig,
    max_speed_m_s: float,
    max_gap_s: float,
    source: str,
) -> OdometryTrack:
    """The track of stamped poses in the order in which they were recorded.

    A pose whose stamp lies before that of an earlier message is left out.
    """
    ordered, breaks = _in_order(stamped)
    for before, after in pairwise(ordered):
        reason = _fault_between(before, after, config, max_speed_m_s)
        if reason:
            breaks.append(Break(before[0], after[0], reason))
    track = make_track(ordered, max_gap_s, max_hold_s=0.0)
    found = [track.at(stamp_ns) for stamp_ns in stamps_ns]
    unknown = np.full((4, 4), np.nan)
    poses = [unknown if pose is None else matrix_of(pose) for pose in found]
    matrices = np.array(poses).reshape(-1, 4, 4)
    return OdometryTrack(np.array(stamps_ns, np.int64), matrices, tuple(breaks), source)


def _in_order(stamped: Sequence[Stamped]) -> tuple[list[Stamped], list[Break]]:
    """The poses whose stamps ascend, and a break for each time that the clock was set back."""
    ordered: list[Stamped] = []
    breaks: list[Break] = []
    stamps = StampOrder()
    for stamp_ns, pose in stamped:
        order = stamps.place(stamp_ns)
        newest_ns = ordered[-1][0] if ordered else stamp_ns
        if order is Order.RETURN and [s for s, _ in ordered[-2:-1] if s < stamp_ns]:
            ordered.pop()
        elif order is Order.JUMP and stamp_ns < newest_ns:
            back_s = 1e-9 * (newest_ns - stamp_ns)
            breaks.append(Break(stamp_ns, newest_ns, f'time runs back by {back_s:.3f} s'))
        if not ordered or stamp_ns >= ordered[-1][0]:
            ordered.append((stamp_ns, pose))
    return ordered, breaks


def _fault_between(
    before: Stamped, after: Stamped, config: OdometryConfig, max_speed_m_s: float
) -> str:
    """The fault between two messages, in words; empty where there is none."""
    seconds = 1e-9 * (after[0] - before[0])
    if seconds > config.max_silence_s:
        return f'gap of {seconds:.1f} s'
    start, end = matrix_of(before[1]), matrix_of(after[1])
    metres = float(np.linalg.norm(end[:3, 3] - start[:3, 3]))
    cosine = 0.5 * (np.trace(start[:3, :3].T @ end[:3, :3]) - 1.0)
    degrees = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    if metres > max_speed_m_s * seconds + _SAME_M:
        return f'jump of {metres:.2f} m in {seconds:.3f} s'
    if degrees > config.max_turn_deg_s * seconds + _SAME_DEG:
        return f'turn by {degrees:.1f} deg in {seconds:.3f} s'
    return ''
