"""Where the robot is in the map: odometry from one accepted answer to the next.

An extended Kalman filter over x, y, z and yaw. Accepted answers place a new run in the frame of
the map, and keep its drift so small that its keyframes align with older ones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.map import MappingConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import (
    quaternion_to_rotation,
    quaternion_to_yaw,
    rotation_about_z,
    rotation_to_quaternion,
    turned,
    yaw_to_quaternion,
)
from ghost_vpr_ros.core.recognition.odometry import Reading

_STATE = [0, 1, 2, 5]
"""Indices of x, y, z and yaw in the covariance of a pose."""

_RELATED_ANSWERS = 4.0
"""Neighbouring answers err together: each counts as this share of an independent one."""

_GATE = 18.5
"""Squared Mahalanobis distance that one right answer in a thousand exceeds (4 dimensions)."""

_MOST_REFUSED = 5
"""Consecutive contradicting answers after which the tracked pose may be wrong instead."""

_MOST_SUPPORT = 50
"""Upper limit of the agreeing answers that contradicting ones must outnumber."""

_SURE_AFTER = 2
"""Answers that must agree through odometry before the first of them is used."""


class MapTracker:
    """Follows odometry and answers; the pose is known once two answers agree, or after `start`."""

    def __init__(self) -> None:
        self.lose()

    def lose(self) -> None:
        """Forget the pose: the robot was carried away, or its odometry jumped."""
        self._state: NDArray[np.float64] | None = None
        self._covariance = np.zeros((4, 4))
        self._last: Reading | None = None
        self._answers = 0
        self._refused = 0
        self._is_origin = False

    @property
    def is_sure(self) -> bool:
        """Whether `pose` is known."""
        return self._state is not None and self._answers >= _SURE_AFTER

    def start(self, reading: Reading) -> None:
        """Begin the map here, in the frame of odometry; does nothing without odometry."""
        if reading.odometry is None:
            return
        self._state, self._covariance = _state_of(reading.odometry), np.zeros((4, 4))
        self._last, self._answers, self._is_origin = reading, _SURE_AFTER, True

    def pose(self) -> Pose:
        """The pose in the map frame with its covariance, at the last frame.

        Raises:
            ValueError: it is not known.
        """
        if self._state is None or not self.is_sure:
            raise ValueError('the pose in the map is not known yet')
        assert self._last is not None and self._last.odometry is not None
        covariance = np.zeros((6, 6))
        covariance[np.ix_(_STATE, _STATE)] = self._covariance
        quaternion = _with_yaw(self._last.odometry, self._state[3])
        return Pose(self._state[:3].copy(), quaternion, covariance)

    def follow(self, reading: Reading, config: MappingConfig) -> None:
        """Move with odometry; the pose is lost where a new stretch of it begins."""
        last = self._last
        if last is not None and last.stretch != reading.stretch:
            self.lose()
        if self._state is None or reading.odometry is None:
            return
        assert last is not None and last.odometry is not None
        self._move(last.odometry, reading.odometry)
        driven_m = reading.along_m - last.along_m
        drift = np.array([config.position_drift_m] * 3 + [config.heading_drift_rad])
        self._covariance += driven_m * np.diag(drift**2)
        self._last = reading

    def correct(self, reading: Reading, answer: Pose) -> None:
        """Correct the pose by an accepted answer, with a covariance, to the last frame."""
        if reading.odometry is None or answer.quaternion_xyzw is None:
            return
        assert answer.covariance is not None
        measured = _state_of(answer)
        noise = _RELATED_ANSWERS * answer.covariance[np.ix_(_STATE, _STATE)]
        if self._state is None:
            self._state, self._covariance, self._last = measured, noise, reading
            self._answers, self._refused = 1, 0
            return
        self._update(measured, noise)
        # If the map has the frame of this odometry, look-alikes must not outweigh odometry.
        support = min(self._answers, _MOST_SUPPORT)
        if not self._is_origin and self._refused >= max(_MOST_REFUSED, support):
            self.lose()

    def contradicts(self, reading: Reading, answer: Pose) -> bool:
        """Whether an answer is farther from the known pose than odometry can have drifted."""
        if not self.is_sure or reading.odometry is None:
            return False
        assert self._state is not None and answer.covariance is not None
        known = [0, 1, 2] if answer.quaternion_xyzw is None else [0, 1, 2, 3]
        noise = _RELATED_ANSWERS * answer.covariance[np.ix_(_STATE, _STATE)]
        error = _difference(_state_of(answer), self._state)[known]
        spread = (self._covariance + noise)[np.ix_(known, known)]
        return _is_far(error, spread)

    def _move(self, before: Pose, now: Pose) -> None:
        assert self._state is not None
        start, end = _state_of(before), _state_of(now)
        step = (end - start)[:3]
        turn = np.array([*turned(self._state[3] - start[3], step[:2]), step[2]])
        jacobian = np.eye(4)
        jacobian[:2, 3] = (-turn[1], turn[0])
        self._state[:3] += turn
        self._state[3] = _wrapped(self._state[3] + end[3] - start[3])
        self._covariance = jacobian @ self._covariance @ jacobian.T

    def _update(self, measured: NDArray[np.float64], noise: NDArray[np.float64]) -> None:
        """The filter's correction, unless the answer is too far off to be right."""
        assert self._state is not None
        error = _difference(measured, self._state)
        spread = self._covariance + noise
        if _is_far(error, spread):
            self._refused += 1
            return
        self._answers, self._refused = self._answers + 1, 0
        gain = np.linalg.solve(spread, self._covariance).T
        self._state = self._state + gain @ error
        self._state[3] = _wrapped(self._state[3])
        rest = np.eye(4) - gain
        self._covariance = rest @ self._covariance @ rest.T + gain @ noise @ gain.T


def relocated(pose: Pose, now: Reading, then: Reading, config: MappingConfig) -> Pose:
    """Pose in the map at an earlier frame of a stretch, from that of a later one.

    Args:
        pose: at the later frame, with its covariance.
        now: the later frame, with odometry.
        then: the earlier one, with odometry.
        config: drift of odometry, which is added to the covariance.
    """
    assert now.odometry is not None and then.odometry is not None
    assert pose.covariance is not None
    turn_rad = _state_of(pose)[3] - _state_of(now.odometry)[3]
    step = then.odometry.position_m - now.odometry.position_m
    step = np.array([*turned(turn_rad, step[:2]), step[2]])
    yaw_rad = _state_of(then.odometry)[3] + turn_rad
    quaternion = _with_yaw(then.odometry, yaw_rad)
    covariance = pose.covariance.copy()
    before = covariance[np.ix_(_STATE, _STATE)]
    driven_m = now.along_m - then.along_m
    covariance[np.ix_(_STATE, _STATE)] = _spread(before, step, driven_m, config)
    return Pose(pose.position_m + step, quaternion, covariance)


def _spread(
    covariance: NDArray[np.float64],
    step: NDArray[np.float64],
    driven_m: float,
    config: MappingConfig,
) -> NDArray[np.float64]:
    """Covariance (4, 4) after a long step (3,) in the map: lever of the heading, and drift.

    The heading drifts all along, so the end of a straight path varies by a third of what it would
    if all drift occurred at its beginning.
    """
    jacobian = np.eye(4)
    jacobian[:2, 3] = (-step[1], step[0])
    lever = jacobian[:2, 3]
    drift = np.diag([config.position_drift_m**2] * 3 + [config.heading_drift_rad**2])
    turn = config.heading_drift_rad**2
    drift[:2, :2] += turn / 3.0 * np.outer(lever, lever)
    drift[:2, 3] = drift[3, :2] = turn / 2.0 * lever
    return np.asarray(jacobian @ covariance @ jacobian.T + driven_m * drift)


def _difference(measured: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) of x, y, z and yaw."""
    error = measured - state
    error[3] = _wrapped(error[3])
    return error


def _is_far(error: NDArray[np.float64], spread: NDArray[np.float64]) -> bool:
    """Whether a difference (n,) is too large for its covariance (n, n)."""
    return float(error @ np.linalg.solve(spread, error)) > _GATE


def _state_of(pose: Pose) -> NDArray[np.float64]:
    """(4,) x, y, z, yaw; an unknown orientation is that of the axes."""
    quaternion = pose.quaternion_xyzw
    yaw_rad = 0.0 if quaternion is None else quaternion_to_yaw(quaternion)
    return np.array([*pose.position_m, yaw_rad])


def _with_yaw(odometry: Pose, yaw_rad: float) -> NDArray[np.float64]:
    """(4,) quaternion of this yaw with the roll and pitch of odometry."""
    if odometry.quaternion_xyzw is None:
        return yaw_to_quaternion(yaw_rad)
    turn_rad = yaw_rad - quaternion_to_yaw(odometry.quaternion_xyzw)
    tilted = quaternion_to_rotation(odometry.quaternion_xyzw)
    return rotation_to_quaternion(rotation_about_z(turn_rad)[:3, :3] @ tilted)


def _wrapped(angle_rad: float) -> float:
    return math.remainder(angle_rad, math.tau)
