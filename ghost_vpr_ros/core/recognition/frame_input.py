"""Checks of what comes with a frame, before it changes anything."""

from __future__ import annotations

import numpy as np

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.errors import ConfigError

_MOST_NS = 2**63 - 1


def checked_stamp(stamp_ns: object) -> int:
    """The stamp as Python's integer.

    Raises:
        ConfigError: no integer, or more than 64 bits, which maps and messages do not hold.
    """
    if isinstance(stamp_ns, float):
        raise ConfigError(
            f'stamp_ns: expected an integer number of nanoseconds, found {stamp_ns!r}; of seconds '
            'make round(1e9 * seconds)'
        )
    if isinstance(stamp_ns, bool) or not isinstance(stamp_ns, (int, np.integer)):
        raise ConfigError(
            f'stamp_ns: expected an integer number of nanoseconds, found {stamp_ns!r}'
        )
    if not -_MOST_NS <= stamp_ns <= _MOST_NS:
        raise ConfigError(
            f'stamp_ns: expected at most {_MOST_NS} nanoseconds, found {float(stamp_ns):.3g}'
        )
    return int(stamp_ns)


def check_odometry(odometry: object) -> None:
    """Refuse odometry that is no pose.

    Raises:
        ConfigError: with what was found.
    """
    if odometry is not None and not isinstance(odometry, Pose):
        raise ConfigError(
            f'odometry: expected a Pose of ghost_vpr_ros.core.datatypes, found {odometry!r}'
        )
