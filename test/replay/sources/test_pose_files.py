"""Poses of KITTI and TUM files become those of a source's images."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.poses import quaternion_to_yaw
from ghost_vpr_ros.replay.sources.image_sources import ImageSource, open_source
from ghost_vpr_ros.replay.sources.pose_files import with_poses

SECOND = 10**9


def source(folder, count=3, stamps=False):
    frames = [
        Frame(f'{n}.png', lambda: None, n * SECOND if stamps else UNKNOWN_STAMP_NS)
        for n in range(count)
    ]
    return ImageSource(frames, 'folder', str(folder))


def write_kitti(path):
    """Straight on, to the right, and turned to the right: in KITTI right is x, on is z."""
    straight = np.hstack([np.eye(3), np.zeros((3, 1))])
    moved = straight.copy()
    moved[:, 3] = [2.0, 0.0, 5.0]
    turned = moved.copy()
    turned[:, :3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    np.savetxt(path, np.array([straight, moved, turned]).reshape(3, 12))
    return path


def test_kitti_looks_along_z_we_along_x(tmp_path):
    frames = with_poses(source(tmp_path), write_kitti(tmp_path / 'poses.txt'), 1.0).frames
    assert frames[0].pose.position_m == pytest.approx([0.0, 0.0, 0.0])
    assert frames[1].pose.position_m == pytest.approx([5.0, -2.0, 0.0])
    assert quaternion_to_yaw(frames[1].pose.quaternion_xyzw) == pytest.approx(0.0)
    assert quaternion_to_yaw(frames[2].pose.quaternion_xyzw) == pytest.approx(-np.pi / 2)
    assert frames[1].stamp_ns == UNKNOWN_STAMP_NS


def test_kittis_times_are_found_beside_it(tmp_path):
    (tmp_path / 'times.txt').write_text('0.0\n1.5\n2e0\n')
    frames = with_poses(source(tmp_path), write_kitti(tmp_path / 'poses.txt'), 1.0).frames
    assert [frame.stamp_ns for frame in frames] == [0, 1_500_000_000, 2 * SECOND]
    (tmp_path / 'times.txt').write_text('0.0\n1.5\n')
    with pytest.raises(SourceError, match='expected 3 lines with a time each, found 2'):
        with_poses(source(tmp_path), tmp_path / 'poses.txt', 1.0)


def write_tum(path, start_s=0.0):
    lines = [f'{start_s + n} {2 * n} 1 0 0 0 {np.sqrt(0.5)} {np.sqrt(0.5)}' for n in range(3)]
    path.write_text('\n'.join(['# a remark', *lines]))
    return path


def test_tum_is_taken_by_stamp(tmp_path):
    path = write_tum(tmp_path / 'tum.txt', start_s=0.5)
    frames = with_poses(source(tmp_path, stamps=True), path, 1.0).frames
    assert frames[0].pose is None
    assert frames[1].pose.position_m == pytest.approx([1.0, 1.0, 0.0])
    assert quaternion_to_yaw(frames[1].pose.quaternion_xyzw) == pytest.approx(np.pi / 2)


def test_tum_gives_images_without_stamps_theirs(tmp_path):
    frames = with_poses(source(tmp_path), write_tum(tmp_path / 'tum.txt', 7.0), 1.0).frames
    assert [frame.stamp_ns for frame in frames] == [7 * SECOND, 8 * SECOND, 9 * SECOND]


def test_files_of_other_images_are_refused(tmp_path):
    kitti, tum = write_kitti(tmp_path / 'poses.txt'), write_tum(tmp_path / 'tum.txt', 1000.0)
    with pytest.raises(SourceError, match='one pose for each of 4 images'):
        with_poses(source(tmp_path, count=4), kitti, 1.0)
    with pytest.raises(SourceError, match='expected poses at the stamps'):
        with_poses(source(tmp_path, stamps=True), tum, 1.0)


def test_tum_of_another_length_leads_to_stamps(tmp_path):
    with pytest.raises(SourceError, match=r'found 3; poses are joined by time where images have'):
        with_poses(source(tmp_path, count=4), write_tum(tmp_path / 'tum.txt'), 1.0)


def test_tum_rgbd_is_joined_by_the_names_of_its_images(tmp_path):
    write_tum(tmp_path / 'groundtruth.txt', start_s=1_305_031_102.0)
    for name in ('1305031102.5', '1305031103.75'):
        cv2.imwrite(str(tmp_path / f'{name}00000.png'), np.zeros((4, 4, 3), np.uint8))
    frames = with_poses(open_source(tmp_path), tmp_path / 'groundtruth.txt', 1.0).frames
    assert [frame.stamp_ns for frame in frames] == [
        1_305_031_102_500_000_000,
        1_305_031_103_750_000_000,
    ]
    assert [frame.pose.position_m[0] for frame in frames] == pytest.approx([1.0, 3.5])


@pytest.mark.parametrize('text', ['', '1 2 3\n', '1 2 3 4 5 6 7 x\n', '0 0 0 0 0 0 0 0\n'])
def test_what_is_no_file_of_poses_is_refused(tmp_path, text):
    path = tmp_path / 'bad.txt'
    path.write_text(text)
    with pytest.raises(SourceError, match=r'bad\.txt.*: expected'):
        with_poses(source(tmp_path), path, 1.0)


@pytest.mark.parametrize('stamp', ['1.7e18', '-5', '1e300'])
def test_stamps_of_another_unit_are_refused(tmp_path, stamp):
    path = tmp_path / 'tum.txt'
    path.write_text(f'\ufeff{stamp} 0 0 0 0 0 0 1\n', encoding='utf-8')
    with pytest.raises(SourceError, match=r'expected seconds of 0 \.\.'):
        with_poses(source(tmp_path), path, 1.0)


def test_matrices_that_turn_nothing_are_refused(tmp_path):
    path = tmp_path / 'poses.txt'
    np.savetxt(path, np.arange(36.0).reshape(3, 12))
    with pytest.raises(SourceError, match='row 1: expected a rotation matrix'):
        with_poses(source(tmp_path), path, 1.0)


def test_a_mirror_image_is_no_rotation(tmp_path):
    path = tmp_path / 'poses.txt'
    mirrored = np.hstack([np.diag([1.0, 1.0, -1.0]), np.zeros((3, 1))])
    np.savetxt(path, np.array([mirrored] * 3).reshape(3, 12))
    with pytest.raises(SourceError, match='mirror image'):
        with_poses(source(tmp_path), path, 1.0)


def test_times_that_run_back_are_refused(tmp_path):
    (tmp_path / 'times.txt').write_text('0.0\n1.5\n1.4\n')
    with pytest.raises(SourceError, match=r'times\.txt row 3: expected a later time'):
        with_poses(source(tmp_path), write_kitti(tmp_path / 'poses.txt'), 1.0)


def test_a_single_pose_that_nobody_can_have_reached_is_not_taken(tmp_path):
    lines = [f'{n} {1e9 if n == 1 else n} 0 0 0 0 0 1' for n in range(4)]
    path = tmp_path / 'tum.txt'
    path.write_text('\n'.join(lines))
    found = with_poses(source(tmp_path, count=4, stamps=True), path, 1.0)
    assert [frame.pose is None for frame in found.frames] == [False, True, False, False]
    assert '1 of 4 poses' in found.notes[0]


def test_zeros_in_place_of_a_quaternion_are_no_heading(tmp_path):
    path = tmp_path / 'tum.txt'
    path.write_text(''.join(f'{n} {n} 0 0 0 0 0 0\n' for n in range(3)))
    frames = with_poses(source(tmp_path, stamps=True), path, 1.0).frames
    assert [frame.pose.quaternion_xyzw for frame in frames] == [None, None, None]
