"""Folders, EXIF photos and UTM names become frames in a stated order."""

import datetime
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS
from ghost_vpr_ros.core.errors import BagError, ImageError, SourceError
from ghost_vpr_ros.core.image import natural_key
from ghost_vpr_ros.core.poses import heading_to_quaternion
from ghost_vpr_ros.replay.sources import exif_gps
from ghost_vpr_ros.replay.sources.image_sources import open_source


def save_image(path: Path, grey: int = 0, exif: Image.Exif | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 8, 3), grey, np.uint8)).save(path, exif=exif or Image.Exif())
    return path


def gps_exif(**tags: object) -> Image.Exif:
    numbers = {'lat_ref': 1, 'lat': 2, 'lon_ref': 3, 'lon': 4, 'alt_ref': 5, 'alt': 6, 'time': 7}
    numbers |= {'heading_ref': 16, 'heading': 17, 'date': 29}
    exif = Image.Exif()
    exif[0x8825] = {numbers[name]: value for name, value in tags.items()}
    return exif


def test_folder_is_in_natural_order_with_subfolders_and_without_hidden_files(tmp_path) -> None:
    for name in ('10.jpg', '2.jpg', 'b/1.png', '._2.jpg', '.thumbnails/3.jpg', 'note.txt'):
        save_image(tmp_path / name) if '.txt' not in name else (tmp_path / name).touch()
    source = open_source(tmp_path)
    assert [frame.name for frame in source.frames] == ['2.jpg', '10.jpg', 'b/1.png']
    assert source.kind == 'folder'


def test_bare_frame_knows_neither_place_nor_time(tmp_path: Path) -> None:
    save_image(tmp_path / 'a.png', grey=7)
    (frame,) = open_source(str(tmp_path)).frames
    assert (frame.stamp_ns, frame.geo, frame.pose) == (UNKNOWN_STAMP_NS, None, None)
    assert frame.load()[0, 0].tolist() == [7, 7, 7]


def test_photos_beside_some_metadata_are_no_bag(tmp_path: Path) -> None:
    save_image(tmp_path / 'a.png')
    (tmp_path / 'metadata.yaml').write_text('camera: mine\n')
    assert open_source(tmp_path).kind == 'folder'


def test_a_ros2_bag_without_its_data_is_called_a_damaged_bag(tmp_path: Path) -> None:
    (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information:\n  version: 8\n')
    with pytest.raises(BagError, match='damaged or truncated'):
        open_source(tmp_path)


def test_natural_key_puts_numbers_before_their_longer_neighbours() -> None:
    names = ['img10', 'img9', 'Img1', 'img', '07', '7a']
    assert sorted(names, key=natural_key) == ['07', '7a', 'img', 'Img1', 'img9', 'img10']


def test_pixels_are_read_only_when_loaded(tmp_path: Path) -> None:
    (tmp_path / 'fake.jpg').write_text('hello')
    (frame,) = open_source(tmp_path).frames
    with pytest.raises(ImageError, match=r'fake\.jpg'):
        frame.load()


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('none', 'no such file or folder'),
        ('empty', 'expected images .* found none'),
        ('one.jpg', 'found one image; give its folder'),
        ('notes.txt', 'file of another kind'),
    ],
)
def test_bad_paths_are_one_sentence(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'notes.txt').touch()
    save_image(tmp_path / 'one.jpg')
    with pytest.raises(SourceError, match=text) as error:
        open_source(tmp_path / name)
    assert name in str(error.value)
    assert '\n' not in str(error.value)


def test_filter_without_a_manifest_is_refused(tmp_path: Path) -> None:
    save_image(tmp_path / 'a.jpg')
    with pytest.raises(SourceError, match='split needs a CSV manifest, found a folder'):
        open_source(tmp_path, where={'split': 'test'})


def test_exif_position_signs_altitude_heading_and_utc_stamp(tmp_path: Path) -> None:
    exif = gps_exif(
        lat_ref='S', lat=(33.0, 30.0, 36.0), lon_ref='W', lon=(70.0, 0.0, 18.0), alt_ref=b'\x01',
        alt=12.5, heading_ref='T', heading=271.5, date='2024:02:29', time=(23.0, 59.0, 59.5),
    )  # fmt: skip
    save_image(tmp_path / 'a.jpg', exif=exif)
    source = open_source(tmp_path)
    (frame,) = source.frames
    expected = datetime.datetime(2024, 2, 29, 23, 59, 59, tzinfo=datetime.timezone.utc)
    assert source.kind == 'exif'
    assert frame.geo.latitude_deg == pytest.approx(-33.51)
    assert frame.geo.longitude_deg == pytest.approx(-70.005)
    assert frame.geo.altitude_m == pytest.approx(-12.5)
    assert not frame.pose.has_position
    assert frame.pose.quaternion_xyzw == pytest.approx(heading_to_quaternion(271.5))
    assert frame.stamp_ns == int(expected.timestamp()) * 10**9 + 500_000_000


def test_photo_without_a_fix_keeps_its_place_in_the_folder(tmp_path: Path) -> None:
    save_image(tmp_path / '1.jpg', exif=gps_exif(lat_ref='N', lat=(50.0, 0.0, 0.0)))
    whole = gps_exif(lat_ref='N', lat=(50.0, 0.0, 0.0), lon_ref='E', lon=(8.0, 0.0, 0.0))
    save_image(tmp_path / '2.jpg', exif=whole)
    frames = open_source(tmp_path).frames
    assert frames[0].geo is None
    assert frames[1].geo.longitude_deg == 8.0


@pytest.mark.parametrize('heading', [math.nan, IFDRational(0, 0), (1.0, 2.0), 'north'])
def test_a_heading_that_is_no_number_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heading: object
) -> None:
    save_image(tmp_path / '1.jpg')
    degrees = {2: (50.0, 0.0, 0.0), 4: (8.0, 0.0, 0.0)}
    gps = {1: 'N', 3: 'E', **degrees, 16: 'T', 17: heading}
    monkeypatch.setattr(exif_gps, 'read_gps', lambda path: gps)
    (frame,) = open_source(tmp_path).frames
    assert frame.geo.latitude_deg == 50.0
    assert frame.pose is None


def test_exif_latitude_of_95_is_told_by_name_and_the_rest_kept(tmp_path: Path) -> None:
    exif = gps_exif(lat_ref='N', lat=(95.0, 0.0, 0.0), lon_ref='E', lon=(8.0, 0.0, 0.0))
    save_image(tmp_path / 'bad.jpg', exif=exif)
    good = gps_exif(lat_ref='N', lat=(52.0, 0.0, 0.0), lon_ref='E', lon=(8.0, 0.0, 0.0))
    save_image(tmp_path / 'good.jpg', exif=good)
    source = open_source(tmp_path)
    assert [frame.geo is None for frame in source.frames] == [True, False]
    assert re.search(r'bad\.jpg.*latitude 95 is not within', source.notes[0])


def test_utm_names_with_zone_become_wgs84(tmp_path: Path) -> None:
    # the CN Tower: zone 17T, 630084 m E, 4833438 m N
    save_image(tmp_path / '@630084@4833438@17@T@@@pano_1@@90@@@@2011@@.jpg')
    source = open_source(tmp_path)
    (frame,) = source.frames
    assert source.kind == 'utm'
    assert frame.geo.latitude_deg == pytest.approx(43.64256, abs=1e-4)
    assert frame.geo.longitude_deg == pytest.approx(-79.38714, abs=1e-4)
    assert frame.panorama == 'pano_1'
    assert frame.attributes == {'heading_deg': '90', 'time': '2011'}
    assert frame.pose.quaternion_xyzw == pytest.approx(heading_to_quaternion(90.0))


def test_utm_names_without_zone_become_metric_poses(tmp_path: Path) -> None:
    save_image(tmp_path / '@585001.25@4477003.5@.jpg')
    (frame,) = open_source(tmp_path).frames
    assert frame.geo is None
    assert frame.pose.position_m.tolist() == [585001.25, 4477003.5, 0.0]
    assert frame.pose.quaternion_xyzw is None


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('@abc@4477003@17@T@.jpg', "easting in the name, found 'abc'"),
        ('@585001@4477003@61@T@.jpg', 'zone 1 .. 60'),
        ('@585001@nan@.jpg', "northing in the name, found 'nan'"),
        ('@5850010@4477003@17@T@.jpg', 'are not a UTM position'),
        ('@585001@4477003@17@T@95@8@.jpg', 'latitude 95'),
    ],
)
def test_bad_utm_names_are_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    save_image(tmp_path / name)
    with pytest.raises(SourceError, match=text) as error:
        open_source(tmp_path)
    assert name in str(error.value)


def test_real_folders_are_recognised(data_dir: Path) -> None:
    walk = open_source(data_dir / 'gardens_point/day_left')
    photos = open_source(data_dir / 'lund_exif')
    assert (walk.kind, len(walk)) == ('folder', 200)
    assert (photos.kind, len(photos)) == ('exif', 8)
    assert all(abs(frame.geo.latitude_deg - 55.698) < 0.01 for frame in photos.frames)
    assert walk.frames[0].load().shape == (270, 480, 3)


def test_parts_of_bags_and_folders_of_bags_are_told(tmp_path: Path) -> None:
    bag = tmp_path / 'bags' / 'one'
    bag.mkdir(parents=True)
    (bag / 'metadata.yaml').write_text('rosbag2_bagfile_information:\n')
    (tmp_path / 'a.bag.active').touch()
    for path, text in (
        (tmp_path / 'bags', f'give one of its bags, such as {bag}'),
        (bag / 'metadata.yaml', 'found a part of a bag; give its folder'),
        (tmp_path / 'a.bag.active', 'going on or was killed.*rosbag reindex'),
    ):
        with pytest.raises(SourceError, match=text):
            open_source(path)


def test_two_names_that_are_shown_alike_are_refused(tmp_path: Path) -> None:
    save_image(tmp_path / 'one.jpg')
    for name in (os.fsdecode(b'caf\xe9.jpg'), 'caf\\xe9.jpg'):
        (tmp_path / name).write_bytes((tmp_path / 'one.jpg').read_bytes())
    with pytest.raises(SourceError, match=r'2 images are shown as caf.xe9\.jpg; rename'):
        open_source(tmp_path)
