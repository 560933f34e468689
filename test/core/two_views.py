"""Textured planes seen by a camera at known poses, and random points in front of two cameras."""

import cv2
import numpy as np

from ghost_vpr_ros.core.camera import BODY_R_OPTICAL, CameraIntrinsics
from ghost_vpr_ros.core.datatypes import Candidate, Keyframe

CAMERA = CameraIntrinsics(280.0, 280.0, 159.5, 119.5, 320, 240)


def yaw(degrees: float) -> np.ndarray:
    """(3, 3) rotation to the left about the body frame's z axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def texture(seed: int, size: int = 500) -> np.ndarray:
    """Grey blobs of several sizes, uint8."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size))
    for cells in (12, 40, 120):
        coarse = rng.uniform(0.0, 1.0, (cells, cells)).astype(np.float32)
        total += cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(total, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def street(position_m=(0.0, 0.0, 0.0), body_R: np.ndarray | None = None, seed: int = 0):
    """RGB (240, 320, 3): walls left, right and ahead, and a floor, from a pose."""
    body_R = np.eye(3) if body_R is None else body_R
    walls = [
        [(25, 8, 6), (25, -8, 6), (25, -8, -2), (25, 8, -2)],
        [(1, 4, 5), (25, 5, 5), (25, 5, -2), (1, 4, -2)],
        [(25, -5, 5), (1, -4, 5), (1, -4, -2), (25, -5, -2)],
        [(25, 5, -1.5), (25, -5, -1.5), (1, -4, -1.5), (1, 4, -1.5)],
    ]
    picture = np.full((240, 320), 128, np.uint8)
    for number, wall in enumerate(walls):
        _paint(picture, texture(10 * seed + number), np.array(wall, float), position_m, body_R)
    return np.repeat(picture[..., np.newaxis], 3, axis=2)


def _paint(picture, pattern, corners, position_m, body_R) -> None:
    """Draw a plane by its homography; its near part may lie behind the camera."""
    matrix = CAMERA.matrix
    local = (corners - position_m) @ body_R @ BODY_R_OPTICAL
    origin, across, down = local[0], local[1] - local[0], local[3] - local[0]
    size = pattern.shape[0] - 1
    to_camera = np.column_stack([across / size, down / size, origin])
    rows, columns = np.mgrid[:240, :320]
    rays = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)])
    u, v, w = np.linalg.inv(matrix @ to_camera) @ rays
    x, y = (u / w).reshape(240, 320), (v / w).reshape(240, 320)
    found = cv2.remap(pattern, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    inside = (w.reshape(240, 320) > 0) & (x >= 0) & (x <= size) & (y >= 0) & (y <= size)
    picture[inside] = found[inside]


def projected(points_m: np.ndarray, position_m, body_R: np.ndarray) -> np.ndarray:
    """(N, 2) normalised image points of points in the keyframe's body frame."""
    local = (points_m - position_m) @ body_R @ BODY_R_OPTICAL
    return local[:, :2] / local[:, 2:]


def candidate(keyframe_id: int = 1) -> Candidate:
    return Candidate(Keyframe(keyframe_id, 'walk', 0, 'view'), 0.5)


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Between two vectors, or by which one rotation differs from the other."""
    if a.ndim == 2:
        return float(np.degrees(np.linalg.norm(cv2.Rodrigues(a.T @ b)[0])))
    return float(np.degrees(np.arccos(np.clip(a @ b, -1.0, 1.0))))
