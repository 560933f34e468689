"""Closures as files of others: read back by GTSAM, by our reader of TUM, and as tables."""

import csv
import io
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.closure_export import CSV_COLUMNS, DriveRecord, export_texts
from ghost_vpr_ros.core.config.export import ExportConfig, OdometryNoise
from ghost_vpr_ros.core.datatypes import (
    Candidate,
    Hypothesis,
    Keyframe,
    LoopClosure,
    Pose,
    Reason,
    State,
)
from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.poses import matrix_of
from ghost_vpr_ros.replay.sources.truth_file import read_trajectory

SECOND = 10**9
SIGMAS = np.array([0.5, 0.2, 0.1, 0.01, 0.02, 0.05])


def pose(x, y=0.0, yaw=0.0, covariance=None) -> Pose:
    return Pose(np.array([x, y, 0.0]), Rotation.from_euler('z', yaw).as_quat(), covariance)


def keyframe(number, where, session='first') -> Keyframe:
    return Keyframe(number, session, number * SECOND, f'{number}', where)


def answer(second, key=None, relative=None) -> Hypothesis:
    if key is None:
        return Hypothesis(second * SECOND, State.UNKNOWN_PLACE, Reason.LOW_SCORE)
    seen = pose(100.0 + second, 50.0)
    closure = LoopClosure(key, second * SECOND, relative, True, 40)
    candidates = (Candidate(key, 0.8, 0.97),)
    return Hypothesis(
        second * SECOND, State.ACCEPTED, Reason.NONE, candidates, seen, closure=closure
    )


@pytest.fixture
def record() -> DriveRecord:
    """Five metres straight on; the last image sees keyframe 7 from 2 m before it, turned left."""
    found = DriveRecord(max_speed_m_s=15.0)
    relative = pose(-2.0, 0.0, np.pi / 2, np.diag(SIGMAS**2))
    for second in range(5):
        found.add(answer(second), pose(float(second)))
    found.add(answer(5, keyframe(7, pose(105.0, 50.0, np.pi / 2)), relative), pose(5.0))
    return found


def test_gtsam_reads_the_graph_and_solves_it(record, tmp_path):
    gtsam = pytest.importorskip('gtsam')
    path = tmp_path / 'closures.g2o'
    path.write_text(export_texts(record, ['g2o'])['g2o'])
    graph, start = gtsam.readG2o(str(path), True)
    assert (graph.size(), start.size()) == (6, 7)
    key = 6 + 7
    where = start.atPose3(key).matrix()
    graph.add(gtsam.PriorFactorPose3(key, gtsam.Pose3(where), gtsam.noiseModel.Unit.Create(6)))
    solved = gtsam.LevenbergMarquardtOptimizer(graph, start).optimize()
    # Two metres behind a keyframe that looks north, looking west.
    assert solved.atPose3(5).translation() == pytest.approx([105.0, 48.0, 0.0], abs=1e-6)
    assert solved.atPose3(0).translation() == pytest.approx([110.0, 48.0, 0.0], abs=1e-6)
    assert graph.error(solved) == pytest.approx(0.0, abs=1e-9)


def test_the_information_is_about_the_axes_of_the_query(record, tmp_path):
    gtsam = pytest.importorskip('gtsam')
    path = tmp_path / 'closures.g2o'
    path.write_text(export_texts(record, ['g2o'])['g2o'])
    graph, _ = gtsam.readG2o(str(path), True)
    noise = graph.at(5).noiseModel().covariance()
    # GTSAM: rotation first. The query is turned by 90 degrees: its y is the keyframe's -x.
    expected = [SIGMAS[4], SIGMAS[3], SIGMAS[5], SIGMAS[1], SIGMAS[0], SIGMAS[2]]
    assert np.sqrt(np.diag(noise)) == pytest.approx(expected, rel=1e-6)


def test_odometry_is_believed_less_over_a_longer_step(record):
    noise = OdometryNoise(odometry_sigma_m=0.2)
    edges = [
        line.split()
        for line in export_texts(record, ['g2o'], noise=noise)['g2o'].splitlines()
        if line.startswith('EDGE_SE3:QUAT 0 1')
    ]
    assert float(edges[0][10]) == pytest.approx(1.0 / 0.2**2)


def test_loops_with_the_own_past_join_images_of_the_drive():
    record = DriveRecord(15.0)
    for second in range(4):
        record.add(answer(second), pose(float(second)))
    own = keyframe(1, pose(1.0), 'now')
    relative = pose(0.0, covariance=np.eye(6))
    record.add(answer(4, own, relative), pose(4.0))
    lines = export_texts(record, ['g2o'], 'now')['g2o'].splitlines()
    assert any(line.startswith('EDGE_SE3:QUAT 1 4 ') for line in lines)
    assert 'FIX 0' in lines
    assert sum(line.startswith('VERTEX') for line in lines) == 5


def test_odometry_that_jumps_joins_nothing():
    record = DriveRecord(max_speed_m_s=15.0)
    for second, x in enumerate((0.0, 1.0, 500.0, 501.0)):
        record.add(answer(second), pose(x))
    edges = [line.split()[1:3] for line in _edges(record)]
    assert edges == [['0', '1'], ['2', '3']]


def test_images_that_nothing_joins_to_the_map_are_held_at_their_first(record):
    record.add(answer(6), pose(500.0))
    record.add(answer(7), pose(501.0))
    lines = export_texts(record, ['g2o'])['g2o'].splitlines()
    # Six images, of which the last sees keyframe 7; then two after a jump.
    assert [line for line in lines if line.startswith('FIX')] == [f'FIX {8 + 7}', 'FIX 6']


def _edges(record):
    lines = export_texts(record, ['g2o'])['g2o'].splitlines()
    return [line for line in lines if line.startswith('EDGE')]


def test_a_robot_that_stands_still_fills_no_memory():
    record = DriveRecord(15.0)
    for second in range(1000):
        record.add(answer(second), pose(0.001 * (second % 2)))
    assert len(record.odometry) == 1


def test_g2o_needs_odometry_the_tables_do_not():
    record = DriveRecord(15.0)
    record.add(answer(5, keyframe(7, pose(1.0)), pose(0.0, covariance=np.eye(6))), None)
    with pytest.raises(OutputError, match='expected odometry to join the images by, found none'):
        export_texts(record, ['csv', 'g2o'])
    assert len(export_texts(record, ['csv'])['csv'].splitlines()) == 2


def test_accepted_poses_are_a_trajectory(record, tmp_path):
    path = tmp_path / 'answers.tum'
    path.write_text(export_texts(record, ['tum'])['tum'])
    found = read_trajectory(path, 1.0).track.at(5 * SECOND)
    assert found.position_m == pytest.approx([105.0, 50.0, 0.0])
    words = path.read_text().splitlines()[-1].split()
    assert words[0] == '5.000000000'
    assert len(words) == 8


def test_evo_reads_the_trajectory(record, tmp_path):
    file_interface = pytest.importorskip('evo.tools.file_interface')
    path = tmp_path / 'answers.tum'
    path.write_text(export_texts(record, ['tum'])['tum'])
    read = file_interface.read_tum_trajectory_file(str(path))
    assert read.positions_xyz == pytest.approx(np.array([[105.0, 50.0, 0.0]]))


def test_the_table_holds_stamps_session_pose_and_covariance(record):
    rows = list(csv.DictReader(io.StringIO(export_texts(record, ['csv'])['csv'])))
    (row,) = rows
    assert tuple(row) == CSV_COLUMNS
    assert (row['query_stamp_ns'], row['keyframe_stamp_ns']) == ('5000000000', '7000000000')
    assert (row['session'], row['probability'], row['inliers']) == ('first', '0.970000', '40')
    assert float(row['x_m']) == -2.0
    assert float(row['covariance_00']) == pytest.approx(0.25)


def test_json_holds_information_and_states_what_its_numbers_mean(record):
    found = json.loads(export_texts(record, ['json'])['json'])
    (closure,) = found['closures']
    both = np.array(closure['covariance']) @ np.array(closure['information'])
    assert both == pytest.approx(np.eye(6), abs=1e-9)
    turned = matrix_of(Pose(np.array(closure['position_m']), np.array(closure['quaternion_xyzw'])))
    assert turned[:3, 0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-9)
    assert 'keyframe_T_query' in found['conventions']['edge']


def test_formats_are_named_once_and_known():
    assert ExportConfig('g2o, csv,g2o').formats == ('g2o', 'csv')
    assert ExportConfig().formats == ()
    with pytest.raises(ConfigError, match="found 'ply'"):
        ExportConfig('g2o,ply')
