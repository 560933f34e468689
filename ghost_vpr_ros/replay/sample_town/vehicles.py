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

PAINTS: tuple[Rgb, ...] = (
    (214, 216, 218), (34, 36, 40), (120, 124, 130), (150, 28, 34), (34, 62, 120), (176, 180, 186),
    (52, 84, 66), (196, 164, 96), (70, 76, 86), (226, 226, 222),
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """Shape of a vehicle.

    Attributes:
        name: in texture keys.
        profile: (x forward, z up) in metres, from the front's lower edge over the roof backwards.
        parts: what lies between consecutive points of the profile.
        width_m: of the body.
        wheels: x of the axles.
        glass: x ranges (rear, front) of side windows, between the waist line and the roof.
        waist_m: height of the lower edge of the windows.
    """

    name: str
    profile: tuple[tuple[float, float], ...]
    parts: tuple[str, ...]
    width_m: float
    wheels: tuple[float, float]
    glass: tuple[tuple[float, float], ...]
    waist_m: float


CAR_PARTS = ('front', 'paint', 'glass', 'paint', 'glass', 'paint', 'rear')
HATCHBACK = Model(
    'hatchback',
    ((1.98, 0.26), (2.0, 0.74), (1.05, 0.95), (0.35, 1.43), (-1.35, 1.46), (-1.88, 0.98),
     (-1.98, 0.9), (-1.96, 0.3)),
    CAR_PARTS, 1.74, (-1.25, 1.25), ((-1.3, -0.42), (-0.34, 0.62)), 0.96,
)  # fmt: skip
SALOON = Model(
    'saloon',
    ((2.28, 0.26), (2.3, 0.7), (1.15, 0.93), (0.45, 1.4), (-0.95, 1.42), (-1.65, 1.0),
     (-2.28, 0.94), (-2.26, 0.32)),
    CAR_PARTS, 1.8, (-1.4, 1.4), ((-1.3, -0.3), (-0.22, 0.75)), 0.95,
)  # fmt: skip
ESTATE = Model(
    'estate',
    ((2.28, 0.26), (2.3, 0.72), (1.2, 0.96), (0.5, 1.46), (-1.95, 1.5), (-2.25, 1.0),
     (-2.3, 0.92), (-2.28, 0.32)),
    CAR_PARTS, 1.82, (-1.4, 1.4), ((-2.0, -1.2), (-1.12, -0.22), (-0.14, 0.78)), 0.98,
)  # fmt: skip
VAN = Model(
    'van',
    ((2.48, 0.3), (2.5, 0.95), (1.85, 1.2), (1.15, 2.05), (0.9, 2.2), (-2.45, 2.25),
     (-2.5, 0.36)),
    ('front', 'paint', 'glass', 'paint', 'paint', 'rear'),
    1.95, (-1.55, 1.6), ((0.75, 1.6),), 1.2,
)  # fmt: skip
MODELS = (HATCHBACK, SALOON, ESTATE, VAN)


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

    def footprint(self, margin_m: float = 0.0) -> NDArray[np.float64]:
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
