"""Weather and time of day: sun, sky light, exposure, and their effect on a painted colour."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.seeding import stream

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """The light of one drive; colours are linear, 1 being white paper in full sun.

    Attributes:
        name: in the manifest.
        hour: local time of day at the start of the drive.
        azimuth_deg: of the sun, clockwise from north.
        elevation_deg: of the sun over the horizon.
        sun: light that falls on a wall that faces the sun.
        ambient: light from the sky, which also fills the shadows.
        zenith: colour of the sky overhead.
        horizon: colour of the sky at the horizon, and of the haze.
        clouds: share of the sky that they cover, 0 to 1.
        haze_per_m: how fast far things fade.
        exposure: gain of the camera.
        glow: brightness of lamps and lit windows.
    """

    name: str
    hour: float
    azimuth_deg: float
    elevation_deg: float
    sun: Color
    ambient: Color
    zenith: Color
    horizon: Color
    clouds: float
    haze_per_m: float
    exposure: float
    glow: float

    @property
    def sun_direction(self) -> NDArray[np.float64]:
        """(3,) unit vector towards the sun, east-north-up."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        level = np.cos(elevation)
        return np.array([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)])


LIGHTS = (
    Light('sunny morning', 9.4, 118, 46, (1.0, 0.93, 0.80), (0.46, 0.50, 0.57),
          (0.10, 0.25, 0.62), (0.62, 0.74, 0.88), 0.35, 0.0016, 1.0, 0.0),
    Light('overcast', 14.2, 200, 50, (0.06, 0.06, 0.06), (0.74, 0.76, 0.80),
          (0.50, 0.54, 0.60), (0.74, 0.77, 0.80), 1.0, 0.0035, 1.0, 0.15),
    Light('late afternoon', 17.6, 262, 22, (1.05, 0.78, 0.48), (0.42, 0.44, 0.52),
          (0.14, 0.27, 0.56), (0.86, 0.72, 0.56), 0.5, 0.0022, 1.05, 0.1),
    Light('dusk', 20.6, 300, 3, (0.05, 0.03, 0.02), (0.17, 0.19, 0.28),
          (0.05, 0.08, 0.22), (0.50, 0.34, 0.30), 0.55, 0.0025, 1.35, 0.85),
    Light('hazy noon', 12.3, 178, 58, (0.80, 0.76, 0.68), (0.54, 0.56, 0.60),
          (0.36, 0.47, 0.66), (0.78, 0.80, 0.80), 0.2, 0.006, 0.95, 0.0),
)  # fmt: skip


def light_of_drive(seed: int, drive: int) -> Light:
    """The light of a drive: the five weathers in turn, none exactly like another day's."""
    rng = stream(seed, 'light', drive)
    base = LIGHTS[drive % len(LIGHTS)]
    return dataclasses.replace(
        base,
        azimuth_deg=base.azimuth_deg + float(rng.uniform(-8, 8)),
        elevation_deg=base.elevation_deg * float(rng.uniform(0.9, 1.1)),
        exposure=base.exposure * float(rng.uniform(0.88, 1.12)),
        hour=base.hour + float(rng.uniform(-0.3, 0.3)),
    )


def to_linear(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear 0 to 1 from sRGB 0 to 255."""
    scaled = srgb / 255.0
    return np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)


def develop(linear: NDArray[np.float64], exposure: float) -> NDArray[np.uint8]:
    """SRGB uint8 from linear light: the camera's exposure, a soft shoulder, gamma."""
    exposed = np.maximum(linear * exposure * 1.5, 0.0)
    knee = 0.55
    over = np.maximum(exposed - knee, 0.0)
    toned = np.minimum(exposed, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    srgb = np.where(toned <= 0.0031308, toned * 12.92, 1.055 * toned ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(srgb, 0, 1) * 255).astype(np.uint8)


def develop_color(color: Color, exposure: float) -> NDArray[np.uint8]:
    """(3,) sRGB uint8 of a linear colour."""
    return develop(np.array(color), exposure)


def response(light: Light, sunshine: float, openness: float = 1.0) -> NDArray[np.uint8]:
    """(256, 3) uint8: from a painted grey level to a developed one, a column a channel.

    Args:
        light: weather.
        sunshine: cosine of the angle to the sun, 0 in the shadow.
        openness: share of the sky that lights the surface.
    """
    falling = np.array(light.sun) * sunshine + np.array(light.ambient) * openness
    paint = to_linear(np.arange(256.0))[:, None]
    return develop(paint * falling, light.exposure)
