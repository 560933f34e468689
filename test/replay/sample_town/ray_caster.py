"""A slow renderer to compare with: one ray against every surface, without any cleverness."""

import numpy as np

from ghost_vpr_ros.replay.sample_town.camera import PinholeCamera


def cast_depth(surfaces, camera: PinholeCamera, map_T_base, pixel) -> float:
    """Depth in metres along the optical axis of the nearest surface or the ground; inf: sky."""
    map_T_optical = map_T_base @ camera.base_T_optical()
    eye = map_T_optical[:3, 3]
    ray = map_T_optical[:3, :3] @ np.linalg.inv(camera.matrix) @ np.array([*pixel, 1.0])
    depths = [-eye[2] / ray[2]] if ray[2] < 0 else []
    for surface in surfaces:
        depth = _hit(surface, eye, ray)
        if depth is not None:
            depths.append(depth)
    return min(depths, default=np.inf)


def _hit(surface, eye, ray):
    corners = surface.corners
    normal = surface.normal
    facing = normal @ ray
    if facing >= 0:
        return None
    depth = normal @ (corners[0] - eye) / facing
    if depth <= 0.15:
        return None
    point = eye + depth * ray
    sides = np.roll(corners, -1, axis=0) - corners
    turns = np.cross(sides, point - corners) @ normal
    return depth if (turns >= -1e-9).all() or (turns <= 1e-9).all() else None


def project(camera, points, map_T_base):
    """Pixels (N, 2) and depths (N,) in metres of points (N, 3) in the map frame."""
    map_T_optical = map_T_base @ camera.base_T_optical()
    local = (points - map_T_optical[:3, 3]) @ map_T_optical[:3, :3]
    homogeneous = local @ camera.matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:], local[:, 2]
