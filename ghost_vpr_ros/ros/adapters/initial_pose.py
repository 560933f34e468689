"""When a robot may be told where it is: once, standing, after several answers that agree.

A navigation stack that gets a pose starts its filter anew there: a wrong pose, or many of them,
would throw a robot off its course. All times are those of the messages.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.geodesy import horizontal_distance_m


@dataclass(frozen=True)
class InitialPoseConfig(Config):
    """What counts as standing, and what as agreement."""

    frames: int = setting(5, 'accepted poses in a row that have to agree', low=1, high=100)
    radius_m: float = setting(
        2.0, 'they lie within this distance of the last one', unit='m', low=0.01, high=1e3
    )
    max_turn_apart_deg: float = setting(
        20.0, 'and their headings within this angle of its heading', unit='deg', low=0.1, high=180
    )
    within_s: float = setting(
        10.0,
        'and this is the longest time from the first to the last',
        unit='s',
        low=0.1,
        high=1e3,
    )
    stand_s: float = setting(
        2.0, 'the robot has stood for this long before the first', unit='s', low=0.0, high=1e3
    )
    max_speed_m_s: float = setting(
        0.05, 'a robot that is slower stands', unit='m/s', low=0.0, high=10.0
    )
    max_turn_rad_s: float = setting(
        0.05, 'and turns no faster than this', unit='rad/s', low=0.0, high=10.0
    )
    max_move_m: float = setting(
        0.1,
        'and is this near to where it stopped: odometry without a twist says that it stands',
        unit='m',
        low=1e-3,
        high=10.0,
    )
    max_odometry_age_s: float = setting(
        0.5,
        'where odometry is silent for longer nobody knows whether the robot stands',
        unit='s',
        low=0.01,
        high=60.0,
    )


@dataclass(frozen=True)
class OdometryReading:
    """One message of odometry.

    Attributes:
        stamp_ns: when.
        position_m: (3,) in the odometry's own frame.
        speed_m_s: length of the linear velocity.
        turn_rad_s: length of the angular velocity.
    """

    stamp_ns: int
    position_m: NDArray[np.float64]
    speed_m_s: float
    turn_rad_s: float


@dataclass(frozen=True)
class AcceptedPose:
    """One accepted answer of the node: position (3,) in metres and heading, in the map frame."""

    stamp_ns: int
    position_m: NDArray[np.float64]
    yaw_rad: float


class Standstill:
    """Since when the robot has been standing, by its odometry."""

    def __init__(self, config: InitialPoseConfig) -> None:
        self._config = config
        self._stop: OdometryReading | None = None
        self._last_ns = 0

    def add(self, reading: OdometryReading) -> None:
        """Take the next reading; a gap, or a clock that jumps back, begins anew."""
        gap_ns = reading.stamp_ns - self._last_ns
        self._last_ns = reading.stamp_ns
        if not 0 <= gap_ns <= _ns(self._config.max_odometry_age_s):
            self._stop = None
        if not self._is_slow(reading):
            self._stop = None
        elif self._stop is None or self._has_moved(self._stop, reading):
            self._stop = reading

    def held_at(self, stamp_ns: int) -> bool:
        """Whether the robot stood at that time, and for `stand_s` before it."""
        if self._stop is None or stamp_ns - self._last_ns > _ns(self._config.max_odometry_age_s):
            return False
        return stamp_ns - self._stop.stamp_ns >= _ns(self._config.stand_s)

    def _is_slow(self, reading: OdometryReading) -> bool:
        """False for velocities that are no numbers, too."""
        return (
            reading.speed_m_s <= self._config.max_speed_m_s
            and reading.turn_rad_s <= self._config.max_turn_rad_s
        )

    def _has_moved(self, stop: OdometryReading, reading: OdometryReading) -> bool:
        moved_m = float(np.linalg.norm(reading.position_m - stop.position_m))
        return moved_m > self._config.max_move_m


class InitialPoseRule:
    """Decides which accepted pose may be published as the initial one."""

    def __init__(self, config: InitialPoseConfig) -> None:
        self._config = config
        self._standstill = Standstill(config)
        self._poses: deque[AcceptedPose] = deque(maxlen=config.frames)
        self._is_done = False

    def add_odometry(self, reading: OdometryReading) -> None:
        """Take the next reading of the odometry."""
        self._standstill.add(reading)

    def reason_to_wait(self, pose: AcceptedPose) -> str:
        """Take an accepted pose; an empty text where it may be published now."""
        if self._is_done:
            return 'a pose has been published; call ~/rearm for another one'
        if self._poses and pose.stamp_ns <= self._poses[-1].stamp_ns:
            self._poses.clear()
        if not self._standstill.held_at(pose.stamp_ns):
            self._poses.clear()
            return (
                f'odometry does not say that the robot has been standing for '
                f'{self._config.stand_s:g} s'
            )
        self._poses.append(pose)
        agreeing = sum(self._agree(each, pose) for each in self._poses)
        if agreeing < self._config.frames:
            return f'{agreeing} of {self._config.frames} accepted poses agree'
        return ''

    def published(self) -> None:
        """The pose is out: no other one follows by itself."""
        self._is_done = True
        self._poses.clear()

    def rearm(self) -> None:
        """Allow one more, from poses that come from now on."""
        self._is_done = False
        self._poses.clear()

    def _agree(self, one: AcceptedPose, last: AcceptedPose) -> bool:
        turn_rad = abs(np.angle(np.exp(1j * (one.yaw_rad - last.yaw_rad))))
        return bool(
            last.stamp_ns - one.stamp_ns <= _ns(self._config.within_s)
            and horizontal_distance_m(one.position_m, last.position_m) <= self._config.radius_m
            and turn_rad <= np.radians(self._config.max_turn_apart_deg)
        )


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
