"""Paints the sides, the front and the back of vehicles."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.replay.sample_town.painting import Rgb
from ghost_vpr_ros.replay.sample_town.surfaces import Texture
from ghost_vpr_ros.replay.sample_town.vehicle_models import Model

PX_PER_M = 80.0
GLASS: Rgb = (46, 54, 62)
RUBBER = (26, 26, 28, 255)


def paint_side(model: Model, rgb: Rgb, mirrored: bool) -> Texture:
    """The side view with transparency, the front on the right (on the left when mirrored)."""
    xs, zs = zip(*model.profile, strict=True)
    size = (round(max(zs) * PX_PER_M), round((max(xs) - min(xs)) * PX_PER_M))
    image = np.zeros((*size, 4), np.uint8)
    image[..., :3] = rgb
    cv2.fillPoly(image, [_pixels(model, model.profile)], (*rgb, 255), cv2.LINE_AA)
    _shade_body(image)
    for rear, front in model.glass:
        _paint_window(image, model, rear, front)
    _paint_trim(image, model, rgb)
    for axle in model.wheels:
        _paint_wheel(image, model, axle)
    return Texture(np.ascontiguousarray(image[:, ::-1]) if mirrored else image)


def paint_across(model: Model, rgb: Rgb, part: str) -> Texture:
    """What spans the width: front, rear, glass or plain paint."""
    image = np.full((64, 160, 3), rgb, np.uint8)
    glow = np.zeros((64, 160), np.uint8)
    if part == 'glass':
        ramp = np.linspace(1.9, 0.9, 64)[:, None, None]
        image[:] = np.clip(np.array(GLASS) * ramp, 0, 255)
        cv2.rectangle(image, (0, 0), (159, 63), rgb, 5)
    elif part == 'front':
        _paint_front(image, glow)
    elif part == 'rear':
        _paint_rear(image, glow, model)
    else:
        image[:, (0, 1, 158, 159)] = (np.array(rgb) * 0.8).astype(np.uint8)
    return Texture(image, glow)


def _pixels(model: Model, points: tuple[tuple[float, float], ...]) -> NDArray[np.int32]:
    xs, zs = zip(*model.profile, strict=True)
    origin = np.array([min(xs), max(zs)])
    return np.rint((np.array(points) - origin) * (PX_PER_M, -PX_PER_M)).astype(np.int32)


def _shade_body(image: NDArray[np.uint8]) -> None:
    """Lighter along the shoulder, darker towards the sill."""
    height = image.shape[0]
    gain = np.interp(
        np.arange(height), [0, height * 0.45, height * 0.6, height], [1.1, 1.15, 0.95, 0.55]
    )
    image[..., :3] = np.clip(image[..., :3] * gain[:, None, None], 0, 255)


def _paint_window(image: NDArray[np.uint8], model: Model, rear: float, front: float) -> None:
    points = np.array(model.profile)
    order = np.argsort(points[1:-1, 0])
    xs, zs = points[1:-1][order, 0], points[1:-1][order, 1]
    along = np.linspace(rear, front, 9)
    top = np.minimum(np.interp(along, xs, zs) - 0.09, model.profile[3][1] + 0.05)
    outline = [(float(x), max(float(z), model.waist_m)) for x, z in zip(along, top, strict=True)]
    outline += [(front, model.waist_m), (rear, model.waist_m)]
    cv2.fillPoly(image, [_pixels(model, tuple(outline))], (*GLASS, 255), cv2.LINE_AA)
    upper = [(x, (z + model.waist_m) / 2 + 0.12) for x, z in outline[:9]]
    shine = tuple(
        outline[:9] + [(x, min(z, t[1])) for (x, z), t in zip(upper, outline, strict=False)][::-1]
    )
    cv2.fillPoly(image, [_pixels(model, shine)], (96, 110, 122, 255), cv2.LINE_AA)


def _paint_trim(image: NDArray[np.uint8], model: Model, rgb: Rgb) -> None:
    dark = (*(int(v * 0.5) for v in rgb), 255)
    seams = [edge for pair in model.glass for edge in pair]
    for x in seams[1:]:
        line = _pixels(model, ((x + 0.04, model.waist_m), (x + 0.04, 0.36)))
        cv2.line(image, line[0].tolist(), line[1].tolist(), dark, 1, cv2.LINE_AA)
    for _, front in model.glass:
        box = _pixels(
            model, ((front - 0.85, model.waist_m - 0.1), (front - 0.67, model.waist_m - 0.14))
        )
        cv2.rectangle(image, box[0].tolist(), box[1].tolist(), dark, -1)
    nose, tail = model.profile[1], model.profile[-2]
    lamp = _pixels(model, ((nose[0] - 0.3, nose[1] + 0.02), (nose[0], nose[1] - 0.12)))
    cv2.rectangle(image, lamp[0].tolist(), lamp[1].tolist(), (226, 226, 214, 255), -1)
    level = min(tail[1], 1.1)
    lamp = _pixels(model, ((tail[0], level), (tail[0] + 0.14, level - 0.22)))
    cv2.rectangle(image, lamp[0].tolist(), lamp[1].tolist(), (150, 22, 26, 255), -1)


def _paint_wheel(image: NDArray[np.uint8], model: Model, axle: float) -> None:
    centre = _pixels(model, ((axle, 0.31),))[0].tolist()
    for radius, color in ((0.37, (22, 22, 24, 255)), (0.31, RUBBER), (0.21, (150, 152, 156, 255)),
                          (0.07, (70, 72, 74, 255))):  # fmt: skip
        cv2.circle(image, centre, round(radius * PX_PER_M), color, -1, cv2.LINE_AA)
    for angle in np.arange(5) * 2 * np.pi / 5:
        tip = np.array(centre) + 0.19 * PX_PER_M * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(
            image, centre, np.rint(tip).astype(int).tolist(), (66, 68, 70, 255), 3, cv2.LINE_AA
        )


def _paint_front(image: NDArray[np.uint8], glow: NDArray[np.uint8]) -> None:
    cv2.rectangle(image, (44, 14), (115, 34), (30, 32, 34), -1)
    for x in (6, 124):
        cv2.rectangle(image, (x, 8), (x + 30, 24), (228, 230, 222), -1)
        cv2.rectangle(glow, (x, 8), (x + 30, 24), 255, -1)
    cv2.rectangle(image, (0, 46), (159, 63), (44, 46, 48), -1)
    cv2.rectangle(image, (58, 36), (101, 46), (232, 232, 220), -1)
    cv2.putText(image, 'GV 27', (61, 45), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (20, 20, 20), 1)


def _paint_rear(image: NDArray[np.uint8], glow: NDArray[np.uint8], model: Model) -> None:
    for x in (3, 133):
        cv2.rectangle(image, (x, 8), (x + 23, 26), (158, 20, 26), -1)
        cv2.rectangle(glow, (x, 8), (x + 23, 26), 150, -1)
    if model.name == 'van':
        cv2.line(image, (79, 0), (79, 52), (60, 60, 60), 1)
        cv2.rectangle(image, (10, 2), (150, 6), GLASS, -1)
    cv2.rectangle(image, (58, 24), (101, 34), (232, 226, 190), -1)
    cv2.putText(image, 'GV 27', (61, 33), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (20, 20, 20), 1)
    cv2.rectangle(image, (0, 44), (159, 63), (48, 50, 52), -1)
