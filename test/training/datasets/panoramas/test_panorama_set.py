"""Data sets of panoramas: grouped by number, viewed to any heading, with their roles kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, GeoPoint
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.poses import quaternion_to_yaw, yaw_to_heading
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import open_source
from training.datasets.panoramas.panorama_set import (
    NETVLAD_HEADINGS,
    PanoramaSet,
    even_headings,
    rendered_place_set,
    with_synthesised_views,
)
from training.datasets.panoramas.view_geometry import ViewConfig

SMALL = ViewConfig(60.0, 32, 24)


def frame(number: int, heading: float, shape: tuple[int, int] = (32, 32)) -> Frame:
    """A plain image whose grey value is a tenth of its heading."""
    image = np.full((*shape, 3), int(np.nan_to_num(heading) / 10), np.uint8)
    return Frame(
        name=f'images/{number}_{heading:03.0f}.jpg',
        load=lambda: image,
        geo=GeoPoint(52.0, 0.1 + number / 1000),
        panorama=str(number),
        attributes={'heading_deg': f'{heading:g}', 'split': 'test', 'role': 'database'},
    )


def place_set(numbers: list[int], headings: list[float], **changes: object) -> PlaceSet:
    size = len(numbers)
    values = PlaceSet(
        name='panoramas',
        frames=[frame(n, h) for n, h in zip(numbers, headings, strict=True)],
        positions_m=np.array([[float(n), 2.0] for n in numbers]),
        queries=np.arange(min(4, size)),
        database=np.arange(min(4, size), size),
        panorama=np.array(numbers, np.int64),
        heading_deg=np.array(headings, np.float64),
        stamp_ns=np.array([10 * n for n in numbers], np.int64),
    )
    return replace(values, **changes)


def two_panoramas(**changes: object) -> PlaceSet:
    """Panorama 7 is a query, panorama 3 is database; the sides of 3 are in disorder."""
    return place_set([7] * 4 + [3] * 4, [0, 90, 180, 270, 200, 20, 290, 110], **changes)


def test_every_panorama_is_viewed_to_every_heading_in_order() -> None:
    frames = PanoramaSet(two_panoramas()).frames_at(even_headings(NETVLAD_HEADINGS), SMALL)
    assert len(frames) == 2 * 12
    assert len({each.name for each in frames}) == 24
    assert [each.panorama for each in frames] == ['7'] * 12 + ['3'] * 12
    assert [float(each.attributes['heading_deg']) for each in frames[12:15]] == [0, 30, 60]
    assert frames[3].load().shape == (24, 32, 3)
    assert frames[13].attributes['split'] == 'test'


def test_the_heading_is_that_of_the_pixels() -> None:
    panoramas = PanoramaSet(two_panoramas())
    view = panoramas.frame_at(1, 110.0, SMALL)
    assert (view.load() == 11).all()
    assert view.pose is not None
    assert view.pose.quaternion_xyzw is not None
    assert yaw_to_heading(quaternion_to_yaw(view.pose.quaternion_xyzw)) == pytest.approx(110)
    between = panoramas.frame_at(1, 335.0, SMALL).load()
    assert (between[:, :16] == 29).all()
    assert (between[:, 16:] == 2).all()


def test_nothing_is_read_before_a_view_is_loaded() -> None:
    def never() -> np.ndarray:
        raise AssertionError('read')

    places = two_panoramas()
    unread = replace(places, frames=[replace(each, load=never) for each in places.frames])
    assert len(rendered_place_set(unread, even_headings(8), SMALL)) == 16


def test_a_rendered_set_keeps_places_and_roles() -> None:
    places = two_panoramas(visit=np.array([1] * 4 + [2] * 4), visit_gap=2)
    views = rendered_place_set(places, [0.0, 45.0, 300.0], SMALL, pitches_deg=(-5.0, 5.0))
    assert views.panorama.tolist() == [0] * 6 + [1] * 6
    assert views.queries.tolist() == list(range(6))
    assert views.database.tolist() == list(range(6, 12))
    assert views.positions_m[:, 0].tolist() == [7.0] * 6 + [3.0] * 6
    assert views.stamp_ns.tolist() == [70] * 6 + [30] * 6
    assert views.heading_deg.tolist() == [0.0, 45.0, 300.0] * 4
    assert views.visit is not None
    assert views.visit.tolist() == [1] * 6 + [2] * 6
    assert views.visit_gap == 2
    assert views.frames[5].attributes['pitch_deg'] == '5'


def test_a_single_image_is_equirectangular_and_may_lack_a_heading() -> None:
    places = replace(
        place_set([NO_PLACE, NO_PLACE, 5], [np.nan, 90.0, 0.0], queries=np.array([0])),
        frames=[frame(n, 10.0 * n, (16, 32)) for n in range(3)],
        database=np.array([1]),
        stamp_ns=np.full(3, UNKNOWN_STAMP_NS, np.int64),
    )
    views = rendered_place_set(places, [0.0, 120.0], ViewConfig(90.0, 16, 16))
    assert views.panorama.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.isnan(views.heading_deg[:2]).all()
    assert views.heading_deg[2:].tolist() == [0.0, 120.0, 0.0, 120.0]
    assert views.frames[0].pose is None
    assert views.database.tolist() == [2, 3]


@pytest.mark.parametrize(
    ('numbers', 'headings', 'found'),
    [
        ([1, 1, 1], [0, 90, 180], '3 images with headings 0, 90, 180'),
        ([1, 1, 1, 1], [0, 90, 180, 250], '4 images with headings 0, 90, 180, 250'),
        ([1, 1, 1, 1], [0, 90, np.nan, 270], '4 images'),
    ],
)
def test_what_is_no_panorama_is_named(
    numbers: list[int], headings: list[float], found: str
) -> None:
    nobody = np.zeros(0, np.int64)
    with pytest.raises(SourceError, match=f'1_000.jpg: expected four sides.*{found}'):
        PanoramaSet(place_set(numbers, headings, queries=nobody, database=nobody))


def test_a_view_that_the_sides_do_not_cover_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match='70 degrees'):
        PanoramaSet(two_panoramas()).frames_at([45.0], ViewConfig(90.0, 32, 32))


def test_real_street_views_are_panoramas(data_dir: Path) -> None:
    source = open_source(data_dir / 'gsv_cambridge', where={'split': 'val', 'role': 'query'})
    frames = source.frames
    places = PlaceSet(
        name='gsv',
        frames=frames,
        positions_m=np.zeros((len(frames), 2)),
        queries=np.arange(len(frames)),
        database=np.zeros(0, np.int64),
        panorama=np.array([int(each.panorama or -1) for each in frames]),
        heading_deg=np.array([float(each.attributes['heading_deg']) for each in frames]),
        stamp_ns=np.full(len(frames), UNKNOWN_STAMP_NS, np.int64),
    )
    panoramas = PanoramaSet(places)
    assert len(panoramas) == 15
    same = panoramas.frame_at(0, 90.0, ViewConfig(90.0, 320, 320))
    assert (same.load() == places.frames[panoramas.panoramas[0].rows[1]].load()).all()


def test_synthesised_views_join_the_database_and_leave_the_queries() -> None:
    """Panorama 7 asks; panorama 3 is database, with 4 headings from 5 stands each."""
    before = two_panoramas()
    found = with_synthesised_views(before, [0.0, 90.0, 180.0, 270.0], SMALL, 2.0)
    assert found.queries.tolist() == before.queries.tolist()
    assert len(found) == 8 + 4 * 5
    assert found.database.tolist() == [4, 5, 6, 7, *range(8, 28)]
    assert (found.panorama[8:] == 3).all()
    assert found.heading_deg[8:12].tolist() == [0.0, 90.0, 180.0, 270.0]
    np.testing.assert_allclose(found.positions_m[8:12], [[3.0, 2.0]] * 4)
    # Ahead of headings north, east, south and west.
    ahead = [[3.0, 4.0], [5.0, 2.0], [3.0, 0.0], [1.0, 2.0]]
    np.testing.assert_allclose(found.positions_m[12:16], ahead, atol=1e-9)
    aside = [[5.0, 2.0], [3.0, 0.0], [1.0, 2.0], [3.0, 4.0]]
    np.testing.assert_allclose(found.positions_m[20:24], aside, atol=1e-9)
    assert found.frames[12].load().shape == (24, 32, 3)
    assert len({each.name for each in found.frames}) == len(found)
