"""Manifests: columns by name, filters, and every mistake named with its row."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.poses import quaternion_to_yaw
from ghost_vpr_ros.replay.sources.image_sources import open_source


def frames_of(folder: Path, text: str, **where: str):
    for name in ('a.png', 'b.png', 'c.png'):
        Image.fromarray(np.full((2, 3, 3), ord(name[0]), np.uint8)).save(folder / name)
    (folder / 'manifest.csv').write_bytes(text.encode())
    return open_source(folder, where=where).frames


def test_rows_keep_their_order_and_their_images(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, 'image\r\nc.png\r\n\r\na.png\r\n')
    assert [frame.name for frame in frames] == ['c.png', 'a.png']
    assert frames[0].load()[0, 0, 0] == ord('c')


def test_all_columns_of_a_geotagged_row(tmp_path: Path) -> None:
    text = (
        'Image,Latitude,Longitude,altitude,heading_deg,panorama,session\n'
        'a.png,52.2,0.12,30,90,p7,1\n'
    )
    (frame,) = frames_of(tmp_path, text)
    assert (frame.geo.latitude_deg, frame.geo.longitude_deg, frame.geo.altitude_m) == (
        52.2,
        0.12,
        30.0,
    )
    assert not frame.pose.has_position
    assert quaternion_to_yaw(frame.pose.quaternion_xyzw) == pytest.approx(0.0)
    assert frame.panorama == 'p7'
    assert frame.attributes == {'heading_deg': '90', 'session': '1'}


def test_byte_order_mark_semicolons_and_short_names(tmp_path: Path) -> None:
    (frame,) = frames_of(tmp_path, '\ufeffimage;lat;lon\na.png;-33.5;151.25\n')
    assert (frame.geo.latitude_deg, frame.geo.longitude_deg) == (-33.5, 151.25)


@pytest.mark.parametrize(
    ('columns', 'cells', 'expected'),
    [
        ('heading_deg', '0', (0.0, 1.0)),  # north is +y
        ('heading_deg', '90', (1.0, 0.0)),  # east is +x
        ('yaw_rad', '0', (1.0, 0.0)),
        ('yaw_rad,heading_deg', '3.14159265358979,90', (-1.0, 0.0)),
    ],
)
def test_heading_of_a_metric_pose_points_along_the_map(tmp_path, columns, cells, expected) -> None:
    (frame,) = frames_of(tmp_path, f'image,x,y,z,{columns}\na.png,1,2,3,{cells}\n')
    x, y, z, w = frame.pose.quaternion_xyzw
    forward = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z))
    assert frame.pose.position_m.tolist() == [1.0, 2.0, 3.0]
    assert forward == pytest.approx(expected, abs=1e-9)


def test_utm_needs_its_zone_for_wgs84(tmp_path: Path) -> None:
    text = 'image,easting,northing,utm_zone,utm_band\na.png,630084,4833438,17,T\n'
    frames = frames_of(tmp_path, text + 'c.png,630084,4833438,17T,\n')
    assert frames[0].geo.latitude_deg == pytest.approx(43.64256, abs=1e-4)
    assert frames[0].pose is None
    assert frames[1].geo == frames[0].geo
    (local,) = frames_of(tmp_path, text.replace('17,T', ','))
    assert local.geo is None
    assert local.pose.position_m.tolist() == [630084.0, 4833438.0, 0.0]


def test_southern_band_counts_northings_from_the_equator_down(tmp_path: Path) -> None:
    # Sydney: zone 56H, 334873 m E, 6252266 m N
    text = 'image,easting,northing,utm_zone\na.png,334873,6252266,56H\n'
    (frame,) = frames_of(tmp_path, text)
    assert frame.geo.latitude_deg == pytest.approx(-33.857, abs=1e-2)


def test_empty_cells_mean_unknown(tmp_path: Path) -> None:
    text = 'image,latitude,longitude,x,y,stamp,panorama\na.png,,,,,,\n'
    (frame,) = frames_of(tmp_path, text)
    found = (frame.geo, frame.pose, frame.stamp_ns, frame.panorama)
    assert found == (None, None, UNKNOWN_STAMP_NS, None)


@pytest.mark.parametrize(
    ('column', 'cell', 'stamp_ns'),
    [
        ('stamp', '1700000000.123456789', 1_700_000_000_123_456_789),
        ('stamp', '1.7e9', 1_700_000_000_000_000_000),
        ('stamp', '1700000000123456789', 1_700_000_000_123_456_789),
        ('stamp', '0', 0),
        ('stamp', '0.05', 50_000_000),
        ('stamp_s', '5', 5_000_000_000),
        ('stamp_ns', '5', 5),
    ],
)
def test_stamps_are_exact(tmp_path: Path, column: str, cell: str, stamp_ns: int) -> None:
    (frame,) = frames_of(tmp_path, f'image,{column}\na.png,{cell}\n')
    assert frame.stamp_ns == stamp_ns


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'expected a header line'),
        ('image\n', 'found only the header'),
        ('foo,lat,lon\na.png,1,2\n', '`image` is missing; found the columns foo, lat, lon'),
        ('image,latitude\na.png,1\n', '`longitude` is missing'),
        ('image,lon\na.png,1\n', '`latitude` is missing'),
        ('image,x\na.png,1\n', '`y` is missing'),
        ('image,image\na.png,a.png\n', "'image' occurs twice"),
        ('image,lat,lon\na.png,1,2\nb.png,52.x,2\n', "row 3: .*number in latitude, found '52.x'"),
        ('image,lat,lon\na.png,nan,2\n', "row 2: .*latitude, found 'nan'"),
        ('image,lat,lon\na.png,95,2\n', 'row 2: latitude 95'),
        ('image,lat,lon\na.png,5,181\n', 'row 2: longitude 181'),
        ('image,lat,lon\na.png,5,\n', 'row 2: longitude is empty'),
        ('image,x,y\na.png,,5\n', 'row 2: x is empty'),
        ('image,x,y,heading_deg\na.png,1,5,north\n', "heading_deg, found 'north'"),
        ('image,x,y\na.png,1\n', 'row 2: expected 3 cells, found 2'),
        ('image,x,y\na.png,1,2,3\n', 'row 2: expected 3 cells, found 4'),
        ('image\na.png\nb.png\na.png\n', 'row 4: a.png was already listed in row 2'),
        ('image\na.png\n./a.png\n', 'row 3: ./a.png was already listed in row 2'),
        ('image\nd.png\n', 'row 2: there is no image .*d.png'),
        ('image,x\n,1\n', '`y` is missing'),
        ('image,note\n,1\n', 'row 2: expected the path of an image'),
        ('image,stamp\na.png,1700000000\n', 'row 2: stamp 1700000000 could be seconds or'),
        ('image,stamp\na.png,noon\n', "a time in stamp, found 'noon'"),
        ('image,stamp_ns\na.png,1.5\n', 'integer nanoseconds in stamp_ns'),
        ('image,stamp_s\na.png,-3\n', 'stamp_s -3 is outside'),
        ('image,stamp_s\na.png,1e12\n', 'outside'),
        ('image,easting,northing,utm_zone\na.png,1,2,99\n', 'UTM zone 1 .. 60'),
        ('image,easting,northing,utm_zone,utm_band\na.png,1,2,33,Z\n', 'found 33 Z'),
    ],
)
def test_mistakes_are_one_sentence_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        frames_of(tmp_path, text)
    assert 'manifest.csv' in str(error.value)
    assert '\n' not in str(error.value)


def test_damaged_and_missing_manifests_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'list.csv').write_bytes('image\na.png'.encode('utf-16') + b'x')
    with pytest.raises(SourceError, match=r'list\.csv.*UTF-16, found byte'):
        open_source(tmp_path / 'list.csv')
    with pytest.raises(SourceError, match='no such file'):
        open_source(tmp_path / 'none.csv')


CITY = 'image,split,role\na.png,test,query\nb.png,test,database\nc.png,train,\n'


def test_filters_combine(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, CITY, split='test', ROLE='query')
    assert [frame.name for frame in frames] == ['a.png']


def test_unknown_filter_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"'splt' to filter by; did you mean 'split'"):
        frames_of(tmp_path, CITY, splt='test')


def test_filter_without_result_names_the_values_that_exist(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"split=val; split is one of 'test', 'train'"):
        frames_of(tmp_path, CITY, split='val')


def test_an_image_in_two_roles_is_no_duplicate_once_filtered(tmp_path: Path) -> None:
    text = 'image,role\na.png,query\na.png,database\n'
    assert len(frames_of(tmp_path, text, role='query')) == 1


def test_real_manifests(data_dir: Path) -> None:
    queries = open_source(data_dir / 'gsv_cambridge', where={'split': 'test', 'role': 'query'})
    assert len(queries) == 88
    assert queries.frames[0].panorama is not None
    assert len(open_source(data_dir / 'bgu_campus/manifest.csv')) == 1050
    campus = open_source(data_dir / 'penn_campus')
    assert campus.frames[0].geo.longitude_deg == -75.19224499972222


def test_night_and_day_of_one_split_are_chosen_by_time(data_dir: Path) -> None:
    campus = data_dir / 'bgu_campus'
    day = open_source(campus, where={'split': 'test', 'time': '060000..175959'})
    night = open_source(campus, where={'split': 'test', 'time': '180000..055959'})
    assert (len(day), len(night)) == (229, 232)
    assert all(6 <= int(frame.attributes['time'][:2]) < 18 for frame in day.frames)
    assert not any(6 <= int(frame.attributes['time'][:2]) < 18 for frame in night.frames)


def headings(folder: Path, *values: str):
    rows = [f'{name}.png,52,13,{value}' for name, value in zip('abc', values, strict=False)]
    frames_of(folder, '\n'.join(['image,latitude,longitude,heading_deg', *rows]))
    source = open_source(folder)
    return [frame.pose is not None for frame in source.frames], ' '.join(source.notes)


@pytest.mark.parametrize(
    ('values', 'is_known'),
    [
        (('-1', '90', '360'), [False, True, True]),  # a phone
        (('-1', '-90', '90'), [True, True, True]),  # headings from -180 on
        (('511', '90', '361'), [False, True, True]),
        (('655.35', '-1', '0'), [False, False, True]),
    ],
)
def test_headings_that_mean_not_known_are_not_taken(tmp_path, values, is_known) -> None:
    found, notes = headings(tmp_path, *values)
    assert found == is_known
    assert ('means "not known"' in notes) == (not all(is_known))


def test_a_yaw_that_may_be_degrees_is_told(tmp_path) -> None:
    frames_of(tmp_path, 'image,x,y,yaw_rad\na.png,1,2,90\nb.png,2,2,180\n')
    assert open_source(tmp_path).notes[0].startswith('yaw_rad goes to 180, more than a full turn')
    frames_of(tmp_path, 'image,x,y,yaw_rad\na.png,1,2,3.1\nb.png,2,2,-6.2\n')
    assert open_source(tmp_path).notes == ()


def test_metres_without_a_zone_among_others_with_one_are_refused(tmp_path) -> None:
    text = 'image,easting,northing,utm_zone\na.png,390000,5790000,33U\nb.png,390005,5790000,{}\n'
    with pytest.raises(SourceError, match='row 3: utm_zone is empty although other rows have one'):
        frames_of(tmp_path, text.format(''))
    assert frames_of(tmp_path, text.format('33U'))[1].geo is not None
    assert frames_of(tmp_path, text.replace('33U', '').format(''))[1].geo is None
