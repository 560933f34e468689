"""Cars and vans: a side view extruded to the width of the vehicle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.bodywork import paint_across, paint_side
from ghost_vpr_ros.replay.sample_town.painting import Rgb
from ghost_vpr_ros.replay.sample_town.seeding import pick_rgb
from ghost_vpr_ros.replay.sample_town.surfaces import Surface, panel
from ghost_vpr_ros.replay.sample_town.vehicle_models import MODELS, Model

PAINTS: tuple[Rgb, ...] = (
    (214, 216, 218), (34, 36, 40), (120, 124, 130), (150, 28, 34), (34, 62, 120), (176, 180, 186),
    (52, 84, 66), (196, 164, 96), (70, 76, 86), (226, 226, 222),
)  # fmt: skip


@dataclass(frozen=True)
class Vehicle:
    """A vehicle on the road: position of its middle on the ground and heading."""

    model: Model
    rgb: Rgb
    position: NDArray[np.float64]
    yaw_rad: float

    def surfaces(self) -> list[Surface]:
        """Both sides, and what spans the width from the front bumper to the rear one."""
        return [self._side(-1), self._side(1)] + [
            self._across(k) for k in range(len(self.model.parts))
        ]

    def footprint(self, margin_m: float) -> NDArray[np.float64]:
        """Corners (4, 3) on the ground, counter-clockwise from the right rear."""
        half_length = (self.model.profile[0][0] - self.model.profile[-1][0]) / 2 + margin_m
        half_width = self.model.width_m / 2 + margin_m
        signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        return np.array([self._place(x * half_length, y * half_width, 0.015) for x, y in signs])

    def _place(self, x: float, y: float, z: float) -> NDArray[np.float64]:
        c, s = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        return np.array([self.position[0] + c * x - s * y, self.position[1] + s * x + c * y, z])

    def _side(self, side: int) -> Surface:
        xs, zs = zip(*self.model.profile, strict=True)
        rear, front, top, y = min(xs), max(xs), max(zs), side * self.model.width_m / 2
        start, end = (rear, front) if side < 0 else (front, rear)
        origin = self._place(start, y, top)
        paint = partial(paint_side, self.model, self.rgb, side > 0)
        key = f'{self.model.name} {self.rgb} side {side}'
        return panel(origin, self._place(end, y, top) - origin, (0, 0, -top), key, paint)

    def _across(self, k: int) -> Surface:
        (x0, z0), (x1, z1) = self.model.profile[k], self.model.profile[k + 1]
        half = self.model.width_m / 2
        key = f'{self.model.name} {self.rgb} {k}'
        paint = partial(paint_across, self.model, self.rgb, self.model.parts[k])
        if z1 >= z0:
            origin, right = self._place(x1, -half, z1), self._place(x1, half, z1)
            return panel(origin, right - origin, self._place(x0, -half, z0) - origin, key, paint)
        origin, right = self._place(x0, half, z0), self._place(x0, -half, z0)
        return panel(origin, right - origin, self._place(x1, half, z1) - origin, key, paint)


def draw_vehicle(
    rng: np.random.Generator, position: NDArray[np.float64], yaw_rad: float
) -> Vehicle:
    """Some vehicle, one van in five."""
    model = MODELS[int(rng.choice(4, p=(0.34, 0.26, 0.2, 0.2)))]
    return Vehicle(model, pick_rgb(rng, PAINTS, 6.0), position, yaw_rad)
