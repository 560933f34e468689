import numpy as np
import pytest

from ghost_vpr_ros.replay.sample_town.camera import make_camera, planar_pose
from ghost_vpr_ros.replay.sample_town.rasterizer import Canvas, make_pyramid
from ghost_vpr_ros.replay.sample_town.surfaces import Texture, panel
from ghost_vpr_ros.replay.sample_town.visibility import SurfaceSet, View
from test.replay.sample_town.ray_caster import project

CAMERA = make_camera(200, 160, 0.75, 1.5)
RED, GREEN = (255, 0, 0), (0, 255, 0)


def wall(distance_m, left_m, width_m, bottom_m=0.0, height_m=3.0):
    """A wall across the x axis that faces the camera."""
    origin = (distance_m, left_m, bottom_m + height_m)
    return panel(origin, (0, -width_m, 0), (0, 0, -height_m), 'wall', lambda: Texture(plain(RED)))


def plain(rgb, alpha=None):
    color = rgb if alpha is None else (*rgb, alpha)
    return np.full((32, 32, len(color)), color, np.uint8)


def draw(canvas, surface, pose, image):
    view = View(CAMERA, pose)
    sights = SurfaceSet([surface]).visible(view)
    for sight in sights:
        canvas.draw(sight.make_patch(lambda: make_pyramid(image)))
    return len(sights)


@pytest.mark.parametrize(
    'pose', [planar_pose(0, 0, 0), planar_pose(1, 0.4, 0.12, 0.03, -0.05)], ids=['level', 'tilted']
)
def test_corners_land_where_the_pinhole_model_puts_them(pose):
    canvas = Canvas(200, 160)
    surface = wall(9.0, 2.0, 4.0, bottom_m=0.5, height_m=2.0)

    draw(canvas, surface, pose, plain(RED))

    pixels, depths = project(CAMERA, surface.corners, pose)
    rows, columns = np.nonzero(canvas.rgb[..., 0])
    assert (depths > 0).all()
    assert abs(columns.min() - pixels[:, 0].min()) <= 1
    assert abs(columns.max() - pixels[:, 0].max()) <= 1
    assert abs(rows.min() - pixels[:, 1].min()) <= 1
    assert abs(rows.max() - pixels[:, 1].max()) <= 1


def test_texture_is_upright_and_not_mirrored():
    quarters = np.zeros((32, 32, 3), np.uint8)
    quarters[:16, :16], quarters[16:, 16:] = RED, GREEN
    canvas = Canvas(200, 160)

    draw(canvas, wall(6.0, 2.0, 4.0), planar_pose(0, 0, 0), quarters)

    ends, _ = project(CAMERA, np.array([[6.0, 1.0, 2.3], [6.0, -1.0, 0.7]]), planar_pose(0, 0, 0))
    (left, top), (right, bottom) = np.rint(ends).astype(int)
    assert tuple(canvas.rgb[top, left]) == RED
    assert tuple(canvas.rgb[bottom, right]) == GREEN


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_the_nearer_wall_hides_the_farther_one_in_any_order(order):
    canvas = Canvas(200, 160)
    walls = [(wall(5.0, 0.5, 1.0), RED), (wall(8.0, 2.0, 4.0), GREEN)]

    for k in order:
        draw(canvas, walls[k][0], planar_pose(0, 0, 0), plain(walls[k][1]))

    assert tuple(canvas.rgb[80, 100]) == RED
    assert tuple(canvas.rgb[80, 125]) == GREEN
    assert canvas.inverse_depth[80, 100] == pytest.approx(1 / 5)
    assert canvas.inverse_depth[80, 125] == pytest.approx(1 / 8)


def test_depth_of_a_slanted_wall_is_that_of_its_plane():
    canvas = Canvas(200, 160)
    street_side = panel((2, -2, 3), (20, 0, 0), (0, 0, -3), 'side', lambda: Texture(plain(RED)))
    back = panel((2, 2, 3), (20, 0, 0), (0, 0, -3), 'side', lambda: Texture(plain(RED)))

    seen = draw(canvas, street_side, planar_pose(0, 0, 0), plain(RED))
    hidden = draw(canvas, back, planar_pose(0, 0, 0), plain(RED))

    assert (hidden, seen) in ((0, 1), (1, 0))
    columns = np.flatnonzero(canvas.inverse_depth[80])
    slope = np.abs(columns - CAMERA.cx) / CAMERA.fx
    assert np.allclose(1 / canvas.inverse_depth[80, columns], 2.0 / slope, rtol=1e-4)


def test_a_wall_that_reaches_behind_the_camera_is_clipped():
    canvas = Canvas(200, 160)
    side = panel((-30, 1.5, 6), (60, 0, 0), (0, 0, -6), 'side', lambda: Texture(plain(RED)))
    other = panel((30, 1.5, 6), (-60, 0, 0), (0, 0, -6), 'side', lambda: Texture(plain(RED)))

    drawn = [draw(canvas, part, planar_pose(0, 0, 0), plain(RED)) for part in (side, other)]

    assert sum(drawn) == 1
    assert (canvas.rgb[80, :85, 0] == 255).all()
    assert (canvas.rgb[80, 115:, 0] == 0).all()


def test_what_is_behind_or_beside_the_camera_is_not_drawn():
    behind = wall(-5.0, 2.0, 4.0)
    beside = wall(5.0, 60.0, 4.0)

    found = SurfaceSet([behind, beside]).visible(View(CAMERA, planar_pose(0, 0, 0)))

    assert found == []


def test_holes_of_a_cut_out_show_what_is_behind_them():
    canvas = Canvas(200, 160)
    image = plain(RED, 255)
    image[:, 16:, 3] = 0

    draw(canvas, wall(5.0, 1.0, 2.0), planar_pose(0, 0, 0), image)

    assert tuple(canvas.rgb[80, 85]) == RED
    assert tuple(canvas.rgb[80, 115]) == (0, 0, 0)
    assert canvas.inverse_depth[80, 115] == 0


def test_pyramid_halves_and_keeps_the_mean():
    image = np.random.default_rng(0).integers(0, 255, (64, 32, 3), np.uint8)

    levels = make_pyramid(image)

    assert [level.shape[:2] for level in levels] == [(64, 32), (32, 16), (16, 8), (8, 4)]
    assert abs(levels[-1].mean() - image.mean()) < 1.0
