"""Views of panoramas: against the rays of a pinhole camera worked out by rotation matrices."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ConfigError, ImageError
from training.datasets.panoramas.panorama import Equirectangular, FourSides, Panorama, render
from training.datasets.panoramas.view_geometry import (
    ViewConfig,
    check_sides_cover,
    seen_from_centre,
    widest_fov_deg,
)

SIDE_PX = 64


def render_view(
    panorama: Panorama,
    yaw_deg: float,
    fov_deg: float,
    width: int,
    height: int,
    pitch_deg: float = 0.0,
) -> np.ndarray:
    return render(panorama, yaw_deg, ViewConfig(fov_deg, width, height, pitch_deg))


def rays(view: ViewConfig, yaw_deg: float) -> np.ndarray:
    """(H, W, 3) unit rays east, north and up: the oracle."""
    focal_px = view.width_px / 2 / math.tan(math.radians(view.fov_deg / 2))
    column, row = np.meshgrid(np.arange(view.width_px), np.arange(view.height_px))
    right, up = column + 0.5 - view.width_px / 2, view.height_px / 2 - row - 0.5
    camera = np.stack([right, np.full(right.shape, focal_px), up], axis=-1)
    p, y = math.radians(view.pitch_deg), math.radians(yaw_deg)
    pitch = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    yaw = np.array([[math.cos(y), math.sin(y), 0], [-math.sin(y), math.cos(y), 0], [0, 0, 1]])
    turned = camera @ (yaw @ pitch).T
    return turned / np.linalg.norm(turned, axis=-1, keepdims=True)


def colours(directions: np.ndarray) -> np.ndarray:
    """A smooth world: red to the east, green to the north, blue above."""
    return np.round(127.5 + 120 * directions).astype(np.uint8)


def smooth_sides(first_heading_deg: float = 0.0) -> FourSides:
    camera = ViewConfig(90.0, SIDE_PX, SIDE_PX)
    images = [colours(rays(camera, first_heading_deg + 90 * k)) for k in range(4)]
    return FourSides([loading(image) for image in images], first_heading_deg)


def smooth_equirectangular(heading_deg: float = 0.0, rows: int = 128) -> Equirectangular:
    azimuth = np.radians(heading_deg + (np.arange(256) + 0.5) / 256 * 360 - 180)
    elevation = ((rows / 2 - np.arange(rows) - 0.5) / 256 * math.tau)[:, None]
    east, north = np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation)
    up = np.broadcast_to(np.sin(elevation), east.shape)
    image = colours(np.stack([east, north, up], axis=-1))
    return Equirectangular(loading(image), heading_deg)


def loading(image: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: image


def plain(value: int) -> np.ndarray:
    return np.full((SIDE_PX, SIDE_PX, 3), value, np.uint8)


@pytest.mark.parametrize('yaw_deg', [0.0, 17.0, 45.0, 90.0, 200.0, 315.0, 359.9])
@pytest.mark.parametrize('pitch_deg', [-8.0, 0.0, 10.0])
def test_four_sides_show_the_world_in_every_direction(yaw_deg: float, pitch_deg: float) -> None:
    view = ViewConfig(50.0, 48, 36, pitch_deg)
    found = render(smooth_sides(20.0), yaw_deg, view)
    assert np.abs(found.astype(int) - colours(rays(view, yaw_deg))).max() <= 3


@pytest.mark.parametrize('yaw_deg', [0.0, 45.0, 180.0, 300.5])
@pytest.mark.parametrize('pitch_deg', [-80.0, 0.0, 26.5, 89.0])
def test_an_equirectangular_image_shows_the_whole_sphere(yaw_deg: float, pitch_deg: float) -> None:
    view = ViewConfig(70.0, 48, 36, pitch_deg)
    found = render(smooth_equirectangular(130.0), yaw_deg, view)
    assert np.abs(found.astype(int) - colours(rays(view, yaw_deg))).max() <= 4


@pytest.mark.parametrize('number', range(4))
def test_a_view_along_a_side_is_that_side(number: int) -> None:
    generator = np.random.default_rng(number)
    images = [generator.integers(0, 255, (40, 40, 3), np.uint8) for _ in range(4)]
    sides = FourSides([loading(image) for image in images], 30.0)
    assert (render_view(sides, 30 + 90 * number, 90, 40, 40) == images[number]).all()


def test_a_view_between_two_sides_joins_them_in_the_middle() -> None:
    sides = FourSides([loading(plain(value)) for value in (10, 60, 110, 160)])
    view = render_view(sides, 135, 60, 40, 30)
    assert (view[:, :20] == 60).all()
    assert (view[:, 20:] == 110).all()
    across_north = render_view(sides, -45, 60, 40, 30)
    assert (across_north[:, :20] == 160).all()
    assert (across_north[:, 20:] == 10).all()


def test_a_view_finer_than_the_sides_is_mixed_with_their_neighbours() -> None:
    sides = FourSides([loading(plain(value)) for value in (100, 200, 100, 200)])
    view = render_view(sides, 0, 90, 4 * SIDE_PX, 16)
    assert (view[:, 2:-2] == 100).all()
    assert 100 < view[0, -1, 0] < 200


def test_sides_that_a_view_does_not_see_are_not_read() -> None:
    def never() -> np.ndarray:
        raise AssertionError('read')

    sides = FourSides([never, loading(plain(5)), loading(plain(5)), never])
    assert (render_view(sides, 110, 60, 32, 32) == 5).all()
    assert (render_view(sides, 90, 90, SIDE_PX, SIDE_PX) == 5).all()


def test_a_square_view_of_four_sides_is_refused_beyond_seventy_degrees() -> None:
    with pytest.raises(ConfigError, match=r'field of view of 70 degrees, or `beyond: mirror`'):
        render_view(smooth_sides(), 45, 90, 32, 32)
    assert render_view(smooth_sides(), 45, 70, 32, 32).shape == (32, 32, 3)


def test_the_widest_view_follows_from_the_geometry() -> None:
    square, wide = ViewConfig(60.0, 32, 32), ViewConfig(60.0, 640, 480)
    assert widest_fov_deg(0.0, square) == 90.0
    # At a seam the band ends at tan(elevation) = cos 45 degrees.
    assert widest_fov_deg(45.0, square) == math.floor(2 * math.degrees(math.atan(0.5**0.5)))
    assert widest_fov_deg(45.0, wide) == math.floor(2 * math.degrees(math.atan(0.5**0.5 / 0.75)))
    assert widest_fov_deg(45.0, ViewConfig(60.0, 32, 32, 45.0)) == 0.0


def test_what_lies_beyond_the_band_is_mirrored_only_where_asked_for() -> None:
    view = ViewConfig(90.0, 32, 32, 0.0, 'mirror')
    gradient = np.repeat(np.arange(SIDE_PX, dtype=np.uint8)[:, None, None], SIDE_PX, axis=1)
    sides = FourSides([loading(np.repeat(gradient, 3, axis=2))] * 4)
    column = render(sides, 45, view)[:, 16, 0].astype(int)
    # Beside the seam the top row looks 15.5 / 16 up at a depth of 33 / 32 / sqrt(2): 1.3285 of
    # half a side's height, 10.5 of its 64 rows above the top.
    assert column[0] == pytest.approx(10.5, abs=1.0)
    assert (np.diff(column[5:27]) > 0).all()
    assert (np.diff(column[:4]) < 0).all()
    with pytest.raises(ConfigError, match='take a smaller pitch'):
        render(sides, 45, ViewConfig(90.0, 32, 32, 60.0, 'mirror'))


def test_the_check_alone_states_the_same() -> None:
    check_sides_cover(0.0, ViewConfig(90.0, 32, 32))
    with pytest.raises(ConfigError, match='70 degrees'):
        check_sides_cover(45.0, ViewConfig(90.0, 32, 32))


def test_a_lower_equirectangular_image_is_a_band() -> None:
    band = smooth_equirectangular(rows=64)
    view = ViewConfig(60.0, 48, 36)
    found = render(band, 77, view)
    assert np.abs(found.astype(int) - colours(rays(view, 77))).max() <= 4
    with pytest.raises(ConfigError, match='above or below what the panorama shows'):
        render_view(band, 0, 60, 48, 36, 40)


def test_a_fine_panorama_is_averaged() -> None:
    checkers = np.indices((512, 1024)).sum(axis=0) % 2 * 255
    image = np.repeat(checkers[:, :, None], 3, axis=2).astype(np.uint8)
    view = render_view(Equirectangular(loading(image)), 10, 60, 32, 24)
    assert np.abs(view.astype(int) - 127).max() <= 6


@pytest.mark.parametrize(
    ('panorama', 'sentence'),
    [
        (FourSides([loading(np.zeros((8, 9, 3), np.uint8))] * 4), 'expected a square image'),
        (FourSides([loading(plain(0)), *[loading(plain(0)[:9, :9])] * 3]), 'one size'),
        (Equirectangular(loading(plain(0))), 'an image of 360 degrees'),
    ],
)
def test_an_image_of_another_shape_is_refused(
    panorama: FourSides | Equirectangular, sentence: str
) -> None:
    with pytest.raises(ImageError, match=sentence):
        render_view(panorama, 45, 60, 32, 24)


def test_another_stand_sees_the_walls_from_there():
    """Walls at 10 m, 6 m ahead of the middle: straight to the right one meets them at (8, 6)."""
    wide = ViewConfig(90.0, 9, 9, ahead_m=6.0, wall_m=10.0, camera_height_m=100.0)
    right, up, ahead = seen_from_centre(0.0, wide)
    assert (right[4, 4], up[4, 4], ahead[4, 4]) == pytest.approx((0.0, 0.0, 10.0), abs=1e-4)
    turned = ViewConfig(1.0, 9, 9, aside_m=-6.0, wall_m=10.0, camera_height_m=100.0)
    # The same stand, looking to the right: north of the middle is at its left.
    right, up, ahead = seen_from_centre(90.0, turned)
    assert (right[4, 4], up[4, 4], ahead[4, 4]) == pytest.approx((8.0, 0.0, 6.0), abs=1e-4)
    distance = np.hypot(*seen_from_centre(0.0, wide)[::2])
    np.testing.assert_allclose(distance, 10.0, atol=1e-3)


def test_another_stand_sees_the_ground_below():
    """45 degrees down from 2.5 m: the ground 2.5 m further ahead."""
    down = ViewConfig(1.0, 9, 9, pitch_deg=-45.0, ahead_m=3.0, wall_m=50.0)
    right, up, ahead = seen_from_centre(0.0, down)
    assert (right[4, 4], up[4, 4], ahead[4, 4]) == pytest.approx((0.0, -2.5, 5.5), abs=1e-4)


def test_a_stand_behind_the_walls_is_refused():
    with pytest.raises(ConfigError, match='expected a shift of at most 9 m'):
        ViewConfig(ahead_m=9.5, wall_m=10.0)
