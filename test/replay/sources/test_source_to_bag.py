"""Sources become bags; stamps that are invented are declared as such."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rosbags.highlevel import AnyReader

from ghost_vpr_ros.core.errors import ImageError, SourceError
from ghost_vpr_ros.replay.bags.writer import BagConfig
from ghost_vpr_ros.replay.sources.image_sources import open_source
from ghost_vpr_ros.replay.sources.source_to_bag import INVENTED_START_NS, source_to_bag
from test.replay.small_bags import picture


def source_of(folder: Path, text: str):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(('a.png', 'b.png', 'c.png')):
        Image.fromarray(picture(number)).save(folder / name)
    (folder / 'manifest.csv').write_text(text)
    return open_source(folder)


def info_of(path: Path) -> dict[str, str]:
    with AnyReader([path]) as reader:
        connections = [c for c in reader.connections if c.topic == '/bag_info']
        for connection, _, data in reader.messages(connections):
            return json.loads(reader.deserialize(data, connection.msgtype).data)
    return {}


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_missing_stamps_are_invented_and_declared(tmp_path: Path, storage: str) -> None:
    source = source_of(tmp_path / 'in', 'image\nc.png\na.png\nb.png\n')
    config = BagConfig(storage=storage, rate_hz=4.0)
    assert source_to_bag(source, tmp_path / 'out', config) == 3
    frames = open_source(tmp_path / 'out').frames
    expected = [INVENTED_START_NS + n * 250_000_000 for n in range(3)]
    assert [frame.stamp_ns for frame in frames] == expected
    assert np.abs(frames[0].load().astype(int) - picture(2)).mean() < 4
    info = info_of(tmp_path / 'out')
    assert info == {'source': 'manifest', 'stamps': 'invented: 4 Hz from 2000-01-01T00:00:00Z'}


def test_given_stamps_and_positions_are_kept_in_order_of_time(tmp_path: Path) -> None:
    text = 'image,stamp_s,latitude,longitude\na.png,200.5,50.1,8\nb.png,100,50.2,8\n'
    source_to_bag(source_of(tmp_path / 'in', text), tmp_path / 'out')
    frames = open_source(tmp_path / 'out').frames
    assert [frame.stamp_ns for frame in frames] == [100 * 10**9, 200_500_000_000]
    assert [frame.geo.latitude_deg for frame in frames] == [50.2, 50.1]
    assert info_of(tmp_path / 'out')['stamps'] == 'of the source'


def test_metric_poses_become_the_ground_truth(tmp_path: Path) -> None:
    text = 'image,x,y,z,heading_deg\na.png,1,2,3,0\nb.png,4,5,6,90\n'
    source = source_of(tmp_path / 'in', text)
    source_to_bag(source, tmp_path / 'out')
    for given, read in zip(source.frames, open_source(tmp_path / 'out').frames, strict=True):
        assert read.pose.position_m == pytest.approx(given.pose.position_m)
        assert read.pose.quaternion_xyzw == pytest.approx(given.pose.quaternion_xyzw)


def test_stamps_for_some_images_only_are_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path / 'in', 'image,stamp_s\na.png,5\nb.png,\n')
    with pytest.raises(SourceError, match=r'1 of 2 images have no stamp \(b\.png'):
        source_to_bag(source, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_an_image_that_is_none_leaves_no_bag(tmp_path: Path) -> None:
    source = source_of(tmp_path / 'in', 'image\na.png\nb.png\n')
    (tmp_path / 'in' / 'b.png').write_text('hello')
    with pytest.raises(ImageError, match=r'b\.png'):
        source_to_bag(source, tmp_path / 'out')
    assert [item.name for item in tmp_path.iterdir()] == ['in']


def test_real_photos_keep_their_positions(tmp_path: Path, data_dir: Path) -> None:
    source = open_source(data_dir / 'lund_exif')
    source_to_bag(source, tmp_path / 'out')
    frames = open_source(tmp_path / 'out').frames
    assert [frame.geo for frame in frames] == [frame.geo for frame in source.frames]
