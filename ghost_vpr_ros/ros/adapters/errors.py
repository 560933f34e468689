"""What can go wrong between the node and a SLAM system, each one sentence."""

from __future__ import annotations

from ghost_vpr_ros.core.errors import GhostVprError


class ClosureError(GhostVprError):
    """A loop closure cannot be handed on: its frame id, stamps, pose or covariance are wrong."""


class MessagePackageError(GhostVprError):
    """The message package of a SLAM system is not installed."""
