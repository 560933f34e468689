"""The chain of TF transforms from the map's frame to the camera's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.camera import is_optical
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.replay.bags.messages import BODY_Q_OPTICAL
from ghost_vpr_ros.replay.bags.pose_messages import pose_of, stamp_of
from ghost_vpr_ros.replay.bags.position_track import PositionTracks, make_tracks


class TransformTree:
    """Links of TF messages by child frame; every frame has one parent."""

    def __init__(self) -> None:
        self._dynamic: dict[tuple[str, str], list[tuple[int, Pose]]] = defaultdict(list)
        self._static: dict[tuple[str, str], Pose] = {}

    def add(self, content: Any, *, is_static: bool) -> None:
        """Take in one tf2_msgs/TFMessage."""
        for item in content.transforms:
            parent, child = item.header.frame_id.lstrip('/'), item.child_frame_id.lstrip('/')
            pose = pose_of(item.transform.translation, item.transform.rotation)
            if pose is None or pose.quaternion_xyzw is None:
                continue
            if is_static:
                self._static[parent, child] = pose
            else:
                self._dynamic[parent, child].append((stamp_of(item.header, 0), pose))

    def frames(self) -> list[str]:
        """Names of all frames."""
        return sorted({name for link in (*self._static, *self._dynamic) for name in link})

    def chain(
        self, root: str, leaf: str, max_gap_s: float, max_hold_s: float
    ) -> TransformChain | None:
        """The links from `root` down to `leaf`; None where they are not connected."""
        parents = {child: parent for parent, child in (*self._static, *self._dynamic)}
        links: list[PositionTracks | Pose] = []
        frame = leaf
        while frame != root:
            if frame not in parents or len(links) > len(parents):
                return None
            link = (parents[frame], frame)
            still = self._static.get(link)
            moving = (self._dynamic[link], max_gap_s, max_hold_s)
            links.append(still or make_tracks(*moving, is_geo=False))
            frame = parents[frame]
        return TransformChain(tuple(reversed(links)), is_optical(leaf))


@dataclass(frozen=True)
class TransformChain:
    """Links from the map to the camera; an optical leaf is turned into its body (REP-103)."""

    links: Sequence[PositionTracks | Pose]
    is_optical: bool

    def at(self, stamp_ns: int, jumps: int = 0) -> Pose | None:
        """Pose of the camera's body in the root frame; None where one link is not known.

        Args:
            stamp_ns: of an image.
            jumps: how often the clock had been set back before it.
        """
        result = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
        for link in self.links:
            step = link if isinstance(link, Pose) else link.at(stamp_ns, jumps)
            if step is None:
                return None
            result = compose(result, step)
        if not self.is_optical:
            return result
        optical_Q_body = BODY_Q_OPTICAL * np.array([-1.0, -1.0, -1.0, 1.0])
        return compose(result, Pose(np.zeros(3), optical_Q_body))


def compose(a_T_b: Pose, b_T_c: Pose) -> Pose:
    """a_T_c; both orientations must be known."""
    assert a_T_b.quaternion_xyzw is not None
    assert b_T_c.quaternion_xyzw is not None
    a_R_b = Rotation.from_quat(a_T_b.quaternion_xyzw)
    a_R_c = a_R_b * Rotation.from_quat(b_T_c.quaternion_xyzw)
    return Pose(a_T_b.position_m + a_R_b.apply(b_T_c.position_m), a_R_c.as_quat())
