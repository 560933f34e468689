"""The shapes of cars and vans: side views with windows and wheels."""

from __future__ import annotations

from dataclasses import dataclass


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
