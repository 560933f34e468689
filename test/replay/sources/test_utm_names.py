"""Names that carry UTM coordinates, and names that only look like it."""

from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.replay.sources.image_sources import open_source
from ghost_vpr_ros.replay.sources.utm_names import is_utm_name, utm_frame
from test.replay.sources.photos import jpeg_bytes

FULL = '@630084@4833438@17@T@@@pano@@90@@@@2011@@.jpg'


def frames_of(folder: Path, *names: str) -> list:
    for name in names:
        (folder / name).write_bytes(jpeg_bytes())
    return list(open_source(folder).frames)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        (FULL, True),
        ('@302700.00@5787000.00@q_img000@.jpg', True),
        ('@302700.00@5787000.00@.jpg', True),
        ('@302700.00@5787000.00.jpg', True),
        ('@302700.00@5787000.00@img1.jpg', True),
        ('@10@20@.jpg', True),
        ('@abc@4477003@17@T@.jpg', True),
        ('@lake@2024-05-01.jpg', False),
        ('@lake@2024@.jpg', False),
        ('@user@me@home@.jpg', False),
        ('@2024@05.jpg', False),
        ('@20240501@120000.jpg', False),
        ('@eaDir.jpg', False),
        ('a@1@2@.jpg', False),
    ],
)
def test_a_name_of_this_form_has_two_numbers(name: str, expected: bool) -> None:
    assert is_utm_name(Path(name)) == expected


def test_a_name_that_only_looks_like_it_keeps_the_positions_of_the_others(tmp_path: Path) -> None:
    from test.replay.sources.photos import save_photo

    tags = {'lat_ref': 'N', 'lat': (52.0, 0.0, 0.0), 'lon_ref': 'E', 'lon': (8.0, 0.0, 0.0)}
    for name in ('@lake@2024-05-01.jpg', 'IMG_1.jpg'):
        save_photo(tmp_path / name, **tags)
    source = open_source(tmp_path)
    assert source.kind == 'exif'
    assert all(frame.geo is not None for frame in source.frames)


@pytest.mark.parametrize('rest', ['1', '60', '12@x1', 'q_img003', 'a@b@c', '33@'])
def test_a_number_is_a_zone_only_where_the_form_shows_it(tmp_path: Path, rest: str) -> None:
    names = [f'@{easting}.00@5787000.00@{rest}@.jpg' for easting in (302_700, 302_740)]
    first, second = frames_of(tmp_path, *names)
    assert first.geo is None
    assert second.pose.position_m[0] - first.pose.position_m[0] == 40.0
    assert first.panorama is None


@pytest.mark.parametrize(
    'name',
    [FULL, '@630084@4833438@17@T@.jpg', FULL.replace('@T@', '@@'), '@0@0@@@43.6426@-79.3871@.jpg'],
)
def test_zone_and_degrees_of_the_full_form_are_read(name: str) -> None:
    geo = utm_frame(Path(name), name).geo
    assert (geo.latitude_deg, geo.longitude_deg) == pytest.approx((43.64256, -79.38714), abs=1e-3)


def test_zeros_are_not_known(tmp_path: Path) -> None:
    names = [FULL, FULL.replace('630084@4833438', '0@0'), '@0@0@17@T@0@0@.jpg']
    frames = frames_of(tmp_path, *names)
    assert sorted(frame.geo is None and frame.pose is None for frame in frames) == [
        False,
        True,
        True,
    ]


def test_zeros_among_coordinates_of_a_grid_are_not_known(tmp_path: Path) -> None:
    names = ('@0.00@0.00@1@.jpg', '@302700.00@5787000.00@2@.jpg', '@302740.00@5787000.00@3@.jpg')
    for name in names:
        (tmp_path / name).write_bytes(jpeg_bytes())
    source = open_source(tmp_path)
    assert [frame.pose is None for frame in source.frames] == [True, False, False]
    assert 'means "not known"' in source.notes[0]


def test_zeros_among_local_metres_are_a_position(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, '@0@0@.jpg', '@40@0@.jpg')
    assert frames[0].pose.position_m.tolist() == [0.0, 0.0, 0.0]


def test_a_zone_without_a_band_is_told(tmp_path: Path) -> None:
    (tmp_path / FULL.replace('@T@', '@@')).write_bytes(jpeg_bytes())
    assert 'taken as north' in open_source(tmp_path).notes[0]


@pytest.mark.parametrize('letters', ['NN', 'NS', 'LR'])
def test_numbers_of_frames_before_letters_are_no_zones(tmp_path: Path, letters: str) -> None:
    names = [f'@{302_700 + 40 * n}@5787000@{n}@{letters[n % 2]}@.jpg' for n in range(1, 4)]
    for name in names:
        (tmp_path / name).write_bytes(jpeg_bytes())
    source = open_source(tmp_path)
    assert all(frame.geo is None for frame in source.frames)
    metres = [frame.pose.position_m[0] for frame in source.frames]
    assert np.diff(sorted(metres)).tolist() == [40.0, 40.0]
    (note,) = source.notes
    assert 'not read as UTM zones' in note


def test_zones_on_both_sides_of_their_border_are_zones(tmp_path: Path) -> None:
    names = ('@709000@5766000@32@U@.jpg', '@297000@5766000@33@U@.jpg')
    first, second = (frame.geo for frame in frames_of(tmp_path, *names))
    assert abs(first.longitude_deg - second.longitude_deg) < 0.1


def test_a_name_without_a_position_is_told(tmp_path: Path) -> None:
    for name in (FULL, FULL.replace('630084@4833438', '0@0')):
        (tmp_path / name).write_bytes(jpeg_bytes())
    (note,) = open_source(tmp_path).notes
    assert note.endswith('position 0, 0 means "not known"; position not taken')
