"""Drives from bags: keyframes by distance, positives in other drives or at another time."""

from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import BagError, ConfigError, SourceError
from ghost_vpr_ros.replay.bags import messages as build
from ghost_vpr_ros.replay.places.drives import keyframes
from test.replay.small_bags import (
    START_NS,
    fix,
    image,
    picture,
    planar,
    pose_record,
    write_records,
)
from test.training.datasets.small_images import opened, positives_by_name, write_images

M_IN_DEGREES = 1 / 111_120
"""A metre northwards at the equator: good to a percent."""


def drive(path: Path, metres, *, day: int = 0, seconds: float = 1.0) -> Path:
    """A bag with an image and a fix at a period in seconds, at these metres northwards."""
    records = []
    for number, north_m in enumerate(metres):
        stamp_ns = START_NS + day * 86_400 * 10**9 + round(number * seconds * 1e9)
        records += [image(number, stamp_ns), fix(stamp_ns, north_m * M_IN_DEGREES, 0.1)]
    return write_records(path, records)


def names(path: Path, *numbers) -> list[str]:
    return [f'{path}:/cam/compressed[{number}]' for number in numbers]


def test_keyframes_are_apart_from_the_last_one():
    along = np.array([[0.0, 0], [0.9, 0], [1.0, 0], [1.5, 0], [1.5, 1], [0.2, 0]])
    assert keyframes(along, 1.0) == [0, 2, 4, 5]
    assert keyframes(along, 0.0) == [0, 1, 2, 3, 4, 5]
    # A standing robot whose GPS wanders by half a metre: 20 m along the way, no keyframe.
    standing = np.tile([[0.0, 0], [0.5, 0]], (20, 1))
    assert keyframes(standing, 1.0) == [0]


def test_positives_lie_in_other_drives(tmp_path):
    first = drive(tmp_path / 'first', [0, 1, 2, 3, 4])
    second = drive(tmp_path / 'second', [4, 2.5, 1], day=1)
    places = opened([str(first), str(second)], keyframe_distance_m=1.9)
    assert positives_by_name(places, 2.1) == {
        names(first, 0)[0]: names(second, 2),
        names(first, 2)[0]: names(second, 0, 2),
        names(first, 4)[0]: names(second, 0),
        names(second, 0)[0]: names(first, 2, 4),
        names(second, 2)[0]: names(first, 0, 2),
    }
    assert places.visit.tolist() == [0, 0, 0, 1, 1]
    assert places.facts['images_of_drives'] == 8
    np.testing.assert_allclose(places.frames[3].load(), picture(0), atol=25)


def test_a_drive_may_only_ask(tmp_path):
    first = drive(tmp_path / 'first', [0, 5])
    second = drive(tmp_path / 'second', [0, 5], day=1)
    third = drive(tmp_path / 'third', [1], day=2)
    places = opened([str(first), str(second)], queries_path=str(third), format='drives')
    assert positives_by_name(places, 2.0) == {
        names(third, 0)[0]: [*names(first, 0), *names(second, 0)]
    }


def test_a_single_drive_finds_its_places_when_it_comes_back(tmp_path):
    bag = drive(tmp_path / 'loop', [0, 3, 6, 3, 0], seconds=10.0)
    found = positives_by_name(opened(bag, max_gap_s=20.0, revisit_after_s=30.0), 4.0)
    named = '/cam/compressed[{}]'.format
    assert found == {
        named(0): [named(3), named(4)],
        named(1): [named(4)],
        named(2): [],
        named(3): [named(0)],
        named(4): [named(0), named(1)],
    }
    anytime = positives_by_name(opened(bag, max_gap_s=20.0, revisit_after_s=0.0), 4.0)
    assert anytime[named(2)] == [named(1), named(3)]


def odometry(path: Path) -> Path:
    stamps = [START_NS + number * 10**9 for number in range(3)]
    poses = [planar(5.0 * number, 0.0) for number in range(3)]
    records = [image(number, stamp) for number, stamp in enumerate(stamps)]
    records += [('/odom', s, build.odometry(s, p)) for s, p in zip(stamps, poses, strict=True)]
    return write_records(path, records)


def test_odometry_serves_a_single_drive(tmp_path):
    one, other = odometry(tmp_path / 'one'), odometry(tmp_path / 'other')
    places = opened(one)
    np.testing.assert_allclose(places.positions_m, [[0, 0], [5, 0], [10, 0]])
    with pytest.raises(SourceError, match='odometry /odom, which starts over with each drive'):
        opened([str(one), str(other)])
    assert len(opened([str(one), str(other)], position_topic='/odom')) == 6


def test_drives_may_be_folders_with_a_manifest(tmp_path):
    for day in ('one', 'two'):
        write_images(tmp_path / day, ['a.png', 'b.png'])
        (tmp_path / day / 'manifest.csv').write_text('image,x,y\na.png,0,0\nb.png,9,0\n')
    one, two = tmp_path / 'one', tmp_path / 'two'
    places = opened([str(one), str(two)])
    assert positives_by_name(places, 1.0)[f'{one}:b.png'] == [f'{two}:b.png']
    assert places.files[3] == two / 'b.png'


def test_mistakes_are_named(tmp_path):
    bag = drive(tmp_path / 'bag', [0, 5])
    with pytest.raises(ConfigError, match='is named twice'):
        opened([str(bag), str(bag)])
    with pytest.raises(SourceError, match='nowhere: no such file or folder'):
        opened([str(bag), str(tmp_path / 'nowhere')])
    with pytest.raises(ConfigError, match='split: not used'):
        opened(bag, split='train')
    with pytest.raises(BagError, match='there is no topic /image'):
        opened(bag, image_topic='/image')
    bare = write_records(tmp_path / 'bare', [image(0), image(1)])
    with pytest.raises(SourceError, match='bare: expected images with positions'):
        opened([str(bag), str(bare)])
    poses = write_records(tmp_path / 'poses', [image(0), pose_record(START_NS, 1.0)])
    with pytest.raises(SourceError, match='positions of one kind'):
        opened([str(bag), str(poses)])
