import hashlib

import numpy as np
import pytest

from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.drive import SampleTown
from ghost_vpr_ros.replay.sample_town.visibility import View, posts_in_view
from test.replay.sample_town.conftest import SMALL
from test.replay.sample_town.ray_caster import cast_depth, project


def digest(seed, drive, index):
    sample = SampleTown(TownConfig(seed=seed, **SMALL))
    return hashlib.sha256(sample.drive(drive).frames[index].load().tobytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_any_order_of_drawing(small_town, first_drive):
    first_drive.frames[60].load()
    again = hashlib.sha256(first_drive.frames[20].load().tobytes()).hexdigest()

    assert digest(4, 0, 20) == again


def test_another_seed_gives_another_picture(first_drive):
    here = first_drive.frames[20].load()
    other = SampleTown(TownConfig(seed=5, **SMALL)).drive(0).frames[20].load()

    assert np.abs(here.astype(int) - other).mean() > 10


def test_another_drive_gives_other_light_at_the_same_place(small_town, first_drive):
    second = small_town.drive(1)

    gap = np.linalg.norm(
        first_drive.frames[10].map_T_base[:2, 3] - second.frames[10].map_T_base[:2, 3]
    )
    difference = np.abs(first_drive.frames[10].load().astype(int) - second.frames[10].load())
    assert gap < 6
    assert first_drive.light.name != second.light.name
    assert difference.mean() > 5


def depth_of(renderer, pose, moving=()):
    """(H, W) metres along the optical axis, infinite in the sky."""
    with np.errstate(divide='ignore'):
        return np.float32(1) / renderer.draw(pose, moving).inverse_depth


def test_depth_agrees_with_brute_force_rays(small_town, first_drive):
    rng = np.random.default_rng(0)
    renderer, camera = first_drive.renderer, small_town.camera
    surfaces = renderer.scene.surfaces
    checked, agreeing = 0, 0
    for index in (5, 40, 90):
        pose = first_drive.frames[index].map_T_base
        depth = depth_of(renderer, pose)
        hidden = covered_by_posts(renderer, camera, pose, depth.shape)
        for column, row in rng.integers((1, 1), (127, 95), (60, 2)):
            around = depth[row - 1 : row + 2, column - 1 : column + 2]
            # At an outline, half a pixel decides: those pixels are left out.
            if hidden[row, column] or not around.max() < 1.1 * around.min():
                continue
            expected = cast_depth(surfaces, camera, pose, (column, row))
            checked += 1
            agreeing += bool(np.isclose(depth[row, column], expected, rtol=2e-3))
    assert checked > 60
    # Cut-outs (the space under a car) are solid to the rays.
    assert agreeing >= 0.97 * checked


def covered_by_posts(renderer, camera, pose, shape):
    """True in the boxes of trees and lamps, which the ray caster does not know."""
    covered = np.zeros(shape, bool)
    for _, make_patch in posts_in_view(renderer.scene.town.posts, View(camera, pose)):
        polygon = make_patch(lambda: ()).polygon
        low = np.maximum(np.floor(polygon.min(0)).astype(int) - 1, 0)
        high = np.maximum(np.ceil(polygon.max(0)).astype(int) + 2, 0)
        covered[low[1] : high[1], low[0] : high[0]] = True
    return covered


def test_a_facade_stands_where_the_camera_model_says(small_town, first_drive):
    camera = small_town.camera
    pose = first_drive.frames[5].map_T_base
    depth = depth_of(first_drive.renderer, pose)
    hits = 0
    for house in small_town.town.houses:
        corner = np.array([[*house.lot.corners[0], house.style.height_m - 0.5]])
        pixels, depths = project(camera, corner, pose)
        column, row = np.rint(pixels[0]).astype(int)
        if depths[0] > 1 and 2 <= column < 126 and 2 <= row < 94:
            window = depth[row - 2 : row + 3, column - 2 : column + 3]
            hits += bool((np.abs(window - depths[0]) < 0.03 * depths[0]).any())
    assert hits >= 2


def test_the_sky_is_above_and_the_road_below(first_drive):
    depth = depth_of(first_drive.renderer, first_drive.frames[30].map_T_base)

    assert np.isinf(depth[0]).any()
    assert np.isfinite(depth[-1]).all()
    assert np.median(depth[-1]) == pytest.approx(2.9, abs=0.5)


def test_a_vehicle_ahead_hides_the_street(first_drive):
    from ghost_vpr_ros.replay.sample_town.vehicle_models import VAN
    from ghost_vpr_ros.replay.sample_town.vehicles import Vehicle

    pose = first_drive.frames[5].map_T_base
    ahead = pose @ np.array([8.0, 0, 0, 1])
    van = Vehicle(VAN, (200, 30, 30), ahead[:2], float(np.arctan2(pose[1, 0], pose[0, 0])))

    empty, full = (depth_of(first_drive.renderer, pose, cars) for cars in ([], [van]))

    nearer = full < empty - 0.5
    assert full[50, 64] == pytest.approx(5.5, abs=0.2)
    assert 0.02 < nearer.mean() < 0.4
    assert (full <= empty + 1e-3).all()


def test_lit_windows_shine_at_dusk_only(small_town):
    from ghost_vpr_ros.replay.sample_town.light import LIGHTS

    assert [light.name for light in LIGHTS if light.glow > 0.5] == ['dusk']
    wall = small_town.town.houses[0].wall(0)
    day, dusk = (small_town.drive(k).renderer.scene for k in (1, 3))
    picture = wall.paint()
    shining = picture.glow > 200
    gain = dusk.lit(wall, 0.0)[0][shining].mean() / day.lit(wall, 0.0)[0][shining].mean()
    dark = (
        dusk.lit(wall, 0.0)[0][picture.glow == 0].mean()
        / day.lit(wall, 0.0)[0][picture.glow == 0].mean()
    )
    assert gain > 1.5 * dark


def test_parked_cars_come_and_go_but_residents_stay(small_town):
    from ghost_vpr_ros.replay.sample_town.scene import park_cars
    from ghost_vpr_ros.replay.sample_town.town import build_town

    town = build_town(1, (3, 3))
    first, second = (park_cars(town, drive, 0.5) for drive in (0, 1))
    same = {tuple(car.position) for car in first} & {tuple(car.position) for car in second}
    assert 0 < len(same) < 0.6 * len(first)
