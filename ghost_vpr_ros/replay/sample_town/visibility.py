"""Which surfaces a camera can see, and how they lie in its image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.camera import PinholeCamera
from ghost_vpr_ros.replay.sample_town.furniture import Post
from ghost_vpr_ros.replay.sample_town.rasterizer import NEAR_M, Patch, Pyramid
from ghost_vpr_ros.replay.sample_town.surfaces import Surface, polygon_area

FAR_M = 220.0
LEAST_PX2 = 1.5
MARGIN_PX = 8000.0
MakePatch = Callable[[Callable[[], Pyramid]], Patch]


class View:
    """A camera at a pose.

    Attributes:
        camera: intrinsics.
        map_T_optical: (4, 4).
        matrix: (3, 3) K R, from an offset in the map frame to homogeneous pixels.
        eye: (3,) metres.
    """

    def __init__(self, camera: PinholeCamera, map_T_base: NDArray[np.float64]) -> None:
        self.camera = camera
        self.map_T_optical = map_T_base @ camera.base_T_optical()
        self.matrix = camera.matrix @ self.map_T_optical[:3, :3].T
        self.eye = self.map_T_optical[:3, 3]

    def plane(self, frame: NDArray[np.float64]) -> NDArray[np.float64]:
        """(3, 3), pixel (x, y, 1) to (u, v, 1) / depth, for a frame with columns U V O."""
        return self.planes(frame[None])[0]

    def planes(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3, 3), the same for many frames at once."""
        offset = frames.copy()
        offset[:, :, 2] -= self.eye
        return np.asarray(np.linalg.inv(self.matrix @ offset), np.float64)

    def outline(self, corners: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Pixels (n, 2) of a polygon (k, 3), clipped; None when behind the camera."""
        outline = clip_outline((corners - self.eye) @ self.matrix.T)
        return outline if len(outline) else None

    @property
    def lowest_sky_row(self) -> int:
        """The lowest row that reaches the horizon anywhere."""
        a, b, c = np.linalg.inv(self.matrix)[2]
        ends = np.array([0.0, self.camera.width])
        rows = -(a * ends + c) / b
        return int(np.clip(np.ceil(rows.max()), 0, self.camera.height))


def clip_outline(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels (n, 2) of a polygon of homogeneous pixels (k, 3), clipped near the image.

    What lies behind the near plane is cut off, and what leaves the image by more than
    `MARGIN_PX`, where OpenCV's fixed-point numbers would end. None left: (0, 2).
    """
    points = _clip(points, points[:, 2] - NEAR_M)
    if not len(points):
        return np.zeros((0, 2))
    if (np.abs(points[:, :2]) > MARGIN_PX * points[:, 2:]).any():
        for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
            points = _clip(points, MARGIN_PX * points[:, 2] - sign * points[:, axis])
    return points[:, :2] / points[:, 2:]


def _clip(points: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a convex polygon (k, 3) on the side where `depth` (k,) is not negative."""
    if (depth >= 0).all():
        return points
    kept = []
    for k in range(len(points)):
        here, there = depth[k - 1], depth[k]
        if here * there < 0:
            kept.append(points[k - 1] + (points[k] - points[k - 1]) * (here / (here - there)))
        if there >= 0:
            kept.append(points[k])
    return np.array(kept).reshape(-1, 3)


@dataclass(frozen=True)
class Sight:
    """One surface as a camera sees it.

    Attributes:
        index: of the surface in its set.
        distance_m: from the camera to its nearest corner.
        make_patch: makes the patch once the texture is known.
    """

    index: int
    distance_m: float
    make_patch: MakePatch


class SurfaceSet:
    """Surfaces with their geometry in arrays, so that most are dismissed at once.

    Attributes:
        surfaces: as given.
        middles: (N, 3) metres.
        normals: (N, 3) unit vectors out of the visible sides.
    """

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self.surfaces = list(surfaces)
        self._corners = np.array([s.corners for s in surfaces]).reshape(-1, 4, 3)
        self._frames = np.array([s.frame for s in surfaces]).reshape(-1, 3, 3)
        outward = np.cross(self._frames[:, :, 1], self._frames[:, :, 0])
        texture_area = np.linalg.norm(outward, axis=1)
        self.normals = outward / texture_area[:, None]
        self.middles = self._corners.mean(1)
        c = self._corners
        shown = np.linalg.norm(np.cross(c[:, 2] - c[:, 0], c[:, 3] - c[:, 1]), axis=1) / 2
        self._uv_areas = shown / texture_area

    def visible(self, view: View) -> list[Sight]:
        """The surfaces that face the camera inside its image, in no order."""
        offset = self._corners - view.eye
        pixels = offset @ view.matrix.T
        chosen = self._candidates(view, offset, pixels)
        planes = view.planes(self._frames[chosen])
        distances = np.linalg.norm(offset[chosen], axis=2).min(1)
        sights = []
        for k, plane, distance in zip(chosen, planes, distances, strict=True):
            outline = clip_outline(pixels[k])
            if len(outline) and polygon_area(outline) > LEAST_PX2:
                patch = patch_maker(outline, plane, float(self._uv_areas[k]))
                sights.append(Sight(int(k), float(distance), patch))
        return sights

    def _candidates(
        self, view: View, offset: NDArray[np.float64], pixels: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        facing = np.einsum('nk,nk->n', self.normals, offset[:, 0]) < -1e-6
        x, y, z = pixels[..., 0], pixels[..., 1], pixels[..., 2]
        width, height = view.camera.width, view.camera.height
        inside = (z > NEAR_M).any(1) & (z < FAR_M).any(1)
        # Homogeneous tests hold for corners behind the camera too.
        for outside in (x < 0, x > width * z, y < 0, y > height * z):
            inside &= ~outside.all(1)
        return np.flatnonzero(facing & inside)


def patch_maker(
    outline: NDArray[np.float64], plane: NDArray[np.float64], uv_area: float, blend: bool = False
) -> MakePatch:
    """What turns a texture into a patch at this place of the image."""
    return lambda texture: Patch(outline, plane, uv_area, texture, blend)


def posts_in_view(posts: Sequence[Post], view: View) -> list[tuple[Post, MakePatch]]:
    """Posts before the camera, far to near, each turned towards it about the vertical."""
    if not posts:
        return []
    offset = np.array([post.position for post in posts]) - view.eye[:2]
    ahead = view.map_T_optical[:2, 2]
    depth = offset @ ahead
    near_enough = (depth > 0.4) & (depth < FAR_M)
    order = [k for k in np.argsort(-depth) if near_enough[k]]
    found = []
    for k in order:
        frame, corners = _billboard(posts[k], offset[k])
        outline = view.outline(corners)
        if outline is not None and _on_screen(outline, view.camera):
            found.append((posts[k], patch_maker(outline, view.plane(frame), 1.0, blend=True)))
    return found


def _billboard(
    post: Post, offset: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    across = np.array([offset[1], -offset[0], 0]) / np.linalg.norm(offset) * post.width_m
    top = np.array([*post.position, post.height_m]) - across / 2
    down = np.array([0, 0, -post.height_m])
    corners = np.array([top, top + across, top + across + down, top + down])
    return np.stack([across, down, top], 1), corners


def _on_screen(outline: NDArray[np.float64], camera: PinholeCamera) -> bool:
    low, high = outline.min(0), outline.max(0)
    inside = high[0] > 0 and high[1] > 0 and low[0] < camera.width and low[1] < camera.height
    return bool(inside) and polygon_area(outline) > LEAST_PX2
