import csv
import json

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.drive import SampleTown
from ghost_vpr_ros.replay.sample_town.export import is_complete, make_town
from ghost_vpr_ros.replay.sample_town.gps import town_origin
from ghost_vpr_ros.replay.sources.image_sources import open_source

CONFIG = TownConfig(
    seed=2, drives=2, frames=6, width_px=96, height_px=72, blocks=(1, 1), gps_dropout_share=0.3
)


@pytest.fixture(scope='module')
def town(tmp_path_factory):
    return make_town(tmp_path_factory.mktemp('town') / 'out', CONFIG)


@pytest.fixture(scope='module')
def sample():
    return SampleTown(CONFIG)


def test_the_manifest_holds_fixes_and_gaps(town, sample):
    source = open_source(town / 'drive_0')
    frames = sample.drive(0).frames

    assert source.kind == 'manifest' and len(source) == 6
    assert [frame.stamp_ns for frame in source.frames] == [frame.stamp_ns for frame in frames]
    for read, made in zip(source.frames, frames, strict=True):
        # A heading alone is a pose without a position.
        assert read.pose is None or np.isnan(read.pose.position_m).all()
        assert (read.geo is None) == (made.fix is None)
        if made.fix is not None:
            assert read.geo.latitude_deg == pytest.approx(made.fix.latitude_deg, abs=1e-7)
    assert source.frames[0].load().shape == (72, 96, 3)


def test_the_truth_holds_exact_poses_and_no_wgs84(town, sample):
    source = open_source(town / 'drive_1' / 'truth.csv')

    for read, made in zip(source.frames, sample.drive(1).frames, strict=True):
        assert read.geo is None
        assert np.allclose(read.pose.position_m, made.map_T_base[:3, 3], atol=1e-4)
        yaw = 2 * np.arctan2(read.pose.quaternion_xyzw[2], read.pose.quaternion_xyzw[3])
        exact = np.arctan2(made.map_T_base[1, 0], made.map_T_base[0, 0])
        assert np.cos(yaw - exact) > 1 - 1e-9


def test_joint_tables_are_filtered_by_drive(town):
    source = open_source(town, where={'drive': '1'})

    assert len(source) == 6
    assert all('drive_1/' in frame.name for frame in source.frames)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_bags_hold_the_images_and_the_exact_poses(town, sample, storage):
    topics = BagTopics(position_topic='/ground_truth/pose')
    source = open_source(town / 'drive_0' / f'bag_{storage}', topics=topics)
    folder = open_source(town / 'drive_0')

    assert len(source) == 6
    for read, image, made in zip(
        source.frames, folder.frames, sample.drive(0).frames, strict=True
    ):
        assert read.stamp_ns == made.stamp_ns
        assert np.allclose(read.pose.position_m[:2], made.map_T_base[:2, 3], atol=1e-6)
        assert np.abs(read.load().astype(int) - image.load()).mean() < 2


def test_bags_hold_fixes_near_the_truth(town, sample):
    source = open_source(town / 'drive_0' / 'bag_mcap', topics=BagTopics(position_topic='/fix'))
    frame = LocalFrame(town_origin(CONFIG))
    errors = [
        np.linalg.norm(frame.point_to_enu(read.geo)[:2] - made.map_T_base[:2, 3])
        for read, made in zip(source.frames, sample.drive(0).frames, strict=True)
        if read.geo is not None
    ]

    assert errors and max(errors) < 30


def test_tum_files_have_a_line_for_each_image(town):
    for name in ('truth.tum', 'odometry.tum'):
        rows = np.loadtxt(town / 'drive_0' / name)
        assert rows.shape == (6, 8)
        assert np.allclose(np.linalg.norm(rows[:, 4:], axis=1), 1, atol=1e-5)
    assert np.allclose(np.loadtxt(town / 'drive_0' / 'odometry.tum')[0, 1:4], 0)


def test_the_odometry_table_holds_a_covariance_that_grows(town):
    with (town / 'drive_0' / 'odometry.csv').open() as file:
        rows = list(csv.DictReader(file))
    variances = [float(row['var_x']) + float(row['var_y']) for row in rows]

    assert variances[-1] > variances[0] > 0


def test_the_camera_file_holds_the_intrinsics(town, sample):
    camera = json.loads((town / 'drive_0' / 'camera.json').read_text())

    assert camera['fx'] == pytest.approx(0.72 * 96)
    assert np.array(camera['base_T_camera_optical'])[2, 3] == 1.5


def test_a_second_run_keeps_what_is_there_and_counts_it(town):
    image = town / 'drive_0' / 'images' / '000000.jpg'
    before, counted = image.stat().st_mtime_ns, []

    make_town(town, CONFIG, progress=counted.append)

    assert sum(counted) == 12
    assert image.stat().st_mtime_ns == before
    assert is_complete(town, CONFIG)


def test_further_drives_are_added_to_those_that_exist(tmp_path):
    settings = {'seed': 2, 'frames': 2, 'width_px': 64, 'height_px': 48, 'blocks': (1, 1)}
    make_town(tmp_path / 'out', storage=(), drives=1, **settings)
    make_town(tmp_path / 'out', storage=(), drives=2, **settings)

    assert len(open_source(tmp_path / 'out')) == 4
    assert not list((tmp_path / 'out').glob('drive_*/bag_*'))


def test_a_town_of_other_settings_is_refused_and_kept(town):
    with pytest.raises(OutputError, match=r'seed \(2 for 3\)'):
        make_town(town, CONFIG, seed=3)

    assert is_complete(town, CONFIG)


def test_an_interrupted_run_leaves_no_drive_and_is_taken_up(tmp_path):
    config = TownConfig(seed=2, drives=1, frames=4, width_px=64, height_px=48, blocks=(1, 1))

    done = []

    def stop_at_two(count):
        done.append(count)
        if sum(done) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_town(tmp_path / 'out', config, storage=(), progress=stop_at_two)
    assert not (tmp_path / 'out' / 'drive_0').exists()
    assert not is_complete(tmp_path / 'out', config)
    first = tmp_path / 'out' / '.drive_0.unfinished' / 'images' / '000000.jpg'
    written_ns = first.stat().st_mtime_ns

    make_town(tmp_path / 'out', config, storage=())

    kept = tmp_path / 'out' / 'drive_0' / 'images' / '000000.jpg'
    assert kept.stat().st_mtime_ns == written_ns
    assert not list((tmp_path / 'out').glob('.*'))
    assert is_complete(tmp_path / 'out', config)


def test_unknown_settings_and_storages_are_named(tmp_path):
    with pytest.raises(ConfigError, match='frames'):
        make_town(tmp_path / 'out', frame=3)
    with pytest.raises(ConfigError, match='storage'):
        make_town(tmp_path / 'out', CONFIG, storage=('rosbag',))
    assert not (tmp_path / 'out').exists()
