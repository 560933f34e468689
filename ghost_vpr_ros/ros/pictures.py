"""Pictures for the operator: markers for RViz and the query beside its match."""

from __future__ import annotations

import cv2
import numpy as np
from geometry_msgs.msg import Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from ghost_vpr_ros.core.datatypes import Hypothesis, State
from ghost_vpr_ros.ros.conversions import header_at, to_pose
from ghost_vpr_ros.ros.image_conversions import RgbImage

_COLORS = {
    State.ACCEPTED: (0.1, 0.7, 0.2),
    State.TENTATIVE: (0.95, 0.7, 0.1),
    State.REJECTED: (0.85, 0.2, 0.2),
    State.UNKNOWN_PLACE: (0.5, 0.5, 0.5),
}
_PICTURE_HEIGHT_PX = 240
_CAPTION_HEIGHT_PX = 28


def markers_message(hypothesis: Hypothesis, map_frame: str) -> MarkerArray:
    """`~/markers`: the candidates as spheres that shrink with the rank, the pose with its state.

    The array starts with a marker that removes those of the previous frame.
    """
    header = header_at(hypothesis.stamp_ns, map_frame)
    clear = Marker(header=header, action=Marker.DELETEALL)
    shown = _candidate_markers(hypothesis, header) + _pose_markers(hypothesis, header)
    return MarkerArray(markers=[clear, *shown])


def match_picture(query: RgbImage, view: RgbImage | None, hypothesis: Hypothesis) -> RgbImage:
    """RGB uint8 picture: the query on the left, the best candidate's view on the right.

    Args:
        query: RGB uint8 (H, W, 3).
        view: RGB uint8 (H, W, 3) of the best candidate, or None where the map stores none.
        hypothesis: names the state and the candidate in the caption.
    """
    left = _at_height(query, _PICTURE_HEIGHT_PX)
    right = np.zeros_like(left) if view is None else _at_height(view, _PICTURE_HEIGHT_PX)
    pictures = np.hstack([left, right])
    caption = np.zeros((_CAPTION_HEIGHT_PX, pictures.shape[1], 3), np.uint8)
    color = tuple(int(255 * c) for c in _COLORS[hypothesis.state])
    cv2.putText(
        caption,
        _caption(hypothesis),
        (6, 19),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.45,
        color,
        1,
        cv2.LINE_AA,
    )
    return np.vstack([caption, pictures])


def _caption(hypothesis: Hypothesis) -> str:
    words = f'{hypothesis.state.value} {hypothesis.reason.value}'.replace(' NONE', '')
    if not hypothesis.candidates:
        return words
    best = hypothesis.candidates[0]
    return (
        f'{words}  {best.keyframe.session}/{best.keyframe.keyframe_id}'
        f'  s={best.similarity:.2f} p={best.probability:.2f}'
    )


def _at_height(image: RgbImage, height_px: int) -> RgbImage:
    width_px = max(1, round(image.shape[1] * height_px / image.shape[0]))
    resized = cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def _candidate_markers(hypothesis: Hypothesis, header: Header) -> list[Marker]:
    poses = [c.keyframe.pose for c in hypothesis.candidates]
    markers = []
    for rank, pose in enumerate(poses):
        if pose is not None:
            marker = _marker(
                hypothesis.state, header, 'candidates', Marker.SPHERE, 2.0 / (1 + rank)
            )
            marker.id = rank
            marker.pose = to_pose(pose)
            markers.append(marker)
    return markers


def _pose_markers(hypothesis: Hypothesis, header: Header) -> list[Marker]:
    if hypothesis.pose is None:
        return []
    text = _marker(hypothesis.state, header, 'state', Marker.TEXT_VIEW_FACING, 1.5)
    text.text = _caption(hypothesis)
    text.pose = to_pose(hypothesis.pose)
    text.pose.position.z += 3.0
    if hypothesis.pose.quaternion_xyzw is None:
        return [text]
    arrow = _marker(hypothesis.state, header, 'pose', Marker.ARROW, 0.6)
    arrow.pose = to_pose(hypothesis.pose)
    arrow.scale.x = 4.0
    return [arrow, text]


def _marker(state: State, header: Header, namespace: str, kind: int, size_m: float) -> Marker:
    red, green, blue = _COLORS[state]
    return Marker(
        header=header,
        ns=namespace,
        type=kind,
        action=Marker.ADD,
        scale=Vector3(x=size_m, y=size_m, z=size_m),
        color=ColorRGBA(r=red, g=green, b=blue, a=0.8),
    )
