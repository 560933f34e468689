"""Bags are made and replayed, the same in every run."""

import contextlib
import csv
import json
import shutil
import sqlite3
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import State
from ghost_vpr_ros.core.image import decode_compressed
from ghost_vpr_ros.core.map.checksums import seal_row
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.replay.bags import messages
from ghost_vpr_ros.replay.evaluation.replay_report import write_replay
from ghost_vpr_ros.replay.evaluation.replayer import judge
from ghost_vpr_ros.replay.evaluation.replayer import replay as replay_frames
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.cli.program import TINY
from test.replay.small_bags import START_NS, fix, image, planar, pose_record, write_records


@pytest.fixture(scope='module')
def town(geotagged, tmp_path_factory):
    """A bag and a geotagged map of the same eight images."""
    from ghost_vpr_ros.cli.main import main

    folder = tmp_path_factory.mktemp('town')
    bag, place_map = folder / 'bag', folder / 'street.map'
    assert main(['make-bag', str(geotagged), str(bag)]) == 0
    assert main(['build-map', str(geotagged), str(place_map), *TINY]) == 0
    return bag, place_map


def replay(program, town, out, *options):
    return program('replay', town[0], '--map', town[1], '--out', out, *options)


def rows_of(out):
    with (out / 'per_query.csv').open() as file:
        return list(csv.DictReader(file))


def test_every_frame_is_answered_in_order(program, town, tmp_path):
    outcome = replay(program, town, tmp_path / 'out')
    assert outcome.status == 0
    rows = rows_of(tmp_path / 'out')
    assert [int(row['stamp_ns']) for row in rows] == [
        (100 + i) * 10**9 + 5 * 10**8 for i in range(8)
    ]
    assert [row['keyframe_id'] for row in rows] == [str(i + 1) for i in range(8)]


def test_a_drive_in_a_map_of_its_own_images_is_told(program, town, geotagged, tmp_path):
    place_map = tmp_path / 'own.map'
    program('build-map', town[0], place_map, *TINY)
    words = '8 of 8 images are in the map themselves'
    own = program('replay', town[0], '--map', place_map, '--out', tmp_path / 'own')
    assert words in own.err
    mapped = ('--map', tmp_path / 'new.map', '--mode', 'map', '--model', 'untrained')
    again = program('replay', town[0], *mapped, '--out', tmp_path / 'new')
    assert words not in again.err


def test_per_query_is_equal_in_every_run(program, town, tmp_path):
    for name in ('a', 'b'):
        replay(program, town, tmp_path / name)
    first, second = ((tmp_path / n / 'per_query.csv').read_bytes() for n in ('a', 'b'))
    assert first == second


def test_the_truth_comes_from_the_bags_fixes(program, town, tmp_path):
    metrics = json.loads(replay(program, town, tmp_path / 'out', '--json').out)
    assert metrics['num_frames'] == 8
    assert metrics['recall'] == {'1': 100.0, '5': 100.0}
    assert metrics['num_frames_without_truth'] == 0
    assert (tmp_path / 'out' / 'top_down.png').is_file()
    assert all(row['correct'] == '1' for row in rows_of(tmp_path / 'out'))


def test_the_truth_comes_from_a_file(program, town, tmp_path):
    truth = tmp_path / 'truth.csv'
    lines = [f'{100 + i}.5,{52 + 0.001 * (i // 2)},0.1' for i in range(6)]
    truth.write_text('\n'.join(['stamp_s,latitude,longitude', *lines]))
    outcome = replay(program, town, tmp_path / 'out', '--ground-truth', truth, '--json')
    metrics = json.loads(outcome.out)
    assert (metrics['num_queries'], metrics['num_frames_without_truth']) == (6, 2)
    assert [row['correct'] for row in rows_of(tmp_path / 'out')] == ['1'] * 6 + ['', '']


def test_without_truth_only_the_answers_are_reported(program, town, tmp_path):
    outcome = replay(program, town, tmp_path / 'out', '--ground-truth-topic', 'none', '--json')
    metrics = json.loads(outcome.out)
    assert 'recall' not in metrics
    assert sum(metrics['states'].values()) == 8
    assert 'no positions to judge by' in outcome.err


def test_what_a_drive_lacks_is_said_before_the_work(program, folder, built, tmp_path):
    program('make-bag', folder, tmp_path / 'bag')
    drive = (tmp_path / 'bag', built)
    error = replay(program, drive, tmp_path / 'out').err
    assert 'the bag holds no fix, pose or odometry' in error
    assert 'walk.map holds no positions' in error and 'no odometry' in error
    drive = (tmp_path / 'bag', tmp_path / 'new.map')
    error = replay(program, drive, tmp_path / 'out', '--mode', 'map').err
    assert 'neither odometry nor GPS' in error


def test_metric_truth_does_not_fit_a_geotagged_map(program, town, tmp_path):
    truth = tmp_path / 'truth.txt'
    truth.write_text('# seconds x y z qx qy qz qw\n100 0 0 0 0 0 0 1\n101 5 0 0 0 0 0 1\n')
    error = replay(program, town, tmp_path / 'out', '--ground-truth', truth).error
    assert 'positions of one kind' in error


def test_the_bag_is_never_overwritten(program, town, geotagged):
    assert 'exists already' in program('make-bag', geotagged, town[0]).error


def test_make_bag_states_that_stamps_are_invented(program, folder, tmp_path):
    result = json.loads(program('make-bag', folder, tmp_path / 'bag', '--json').out)
    assert result['stamps'] == 'invented, 10 Hz'
    assert result['images'] == 8


@pytest.mark.parametrize(('rate_hz', 'is_told'), [('10', True), ('1', False)])
def test_make_bag_tells_of_a_rate_at_which_the_camera_would_race(
    program, folder, tmp_path, rate_hz, is_told
):
    poses = tmp_path / 'poses.txt'
    poses.write_text(''.join(f'1 0 0 0 0 1 0 0 0 0 1 {10 * n}\n' for n in range(8)))
    options = ('--poses', poses, '--rate-hz', rate_hz)
    outcome = program('make-bag', folder, tmp_path / 'bag', *options)
    assert ('at 10 Hz the camera moves at 100 m/s' in outcome.err) is is_told
    assert ('such as --rate-hz 0.8' in outcome.err) is is_told


def test_keyframes_without_a_position_never_count_as_right(program, town, tmp_path):
    gappy = tmp_path / 'gappy.map'
    shutil.copy(town[1], gappy)
    with contextlib.closing(sqlite3.connect(gappy)) as connection, connection:
        columns = ['x_m', 'y_m', 'z_m', 'latitude_deg', 'longitude_deg', 'altitude_m']
        nothing = ', '.join(f'{column} = NULL' for column in columns)
        connection.execute(f'UPDATE keyframes SET {nothing} WHERE keyframe_id = 3')
        seal_row(connection, 3)
    outcome = replay(program, (town[0], gappy), tmp_path / 'out')
    assert '1 keyframes lack a position' in outcome.err
    rows = rows_of(tmp_path / 'out')
    assert [row['correct'] for row in rows] == ['1', '1', '0', '1', '1', '1', '1', '1']
    assert (rows[2]['keyframe_id'], rows[2]['distance_m']) == ('3', '')


def test_images_that_show_nothing_are_answered_and_judged(town, tmp_path):
    """A damaged JPEG and a black frame: both rejected with the reason, as the node does it."""
    source = open_source(town[0])
    frames = list(source.frames)
    frames[2] = replace(frames[2], load=partial(decode_compressed, b'no image', 'cut.jpg'))
    frames[5] = replace(frames[5], load=lambda: np.zeros((60, 80, 3), np.uint8))
    with PlaceRecognizer.open(town[1]) as recognizer:
        answers = replay_frames(frames, recognizer)
        evaluation = judge(answers, recognizer.place_map, 5.0)
        metrics = write_replay(answers, evaluation, {}, 'title', 4, tmp_path, recognizer.place_map)
    assert metrics['reasons']['IMAGE_QUALITY'] == 2
    details = [answer.hypothesis.detail for answer in answers]
    assert 'cut.jpg' in details[2] and 'shows nothing' in details[5]
    assert sum(map(bool, details)) == 2
    assert metrics['recall']['1'] == 75.0
    assert [row['correct'] for row in rows_of(tmp_path)] == list('11011011')


def test_what_is_accepted_is_judged_in_the_same_line(program, town, tmp_path):
    lines = replay(program, town, tmp_path / 'out').out.splitlines()
    assert lines[0].startswith('8 frames: ')
    assert ' accepted' in lines[0]
    assert lines[1] == 'judged by GPS on /fix: right within 25 m'


def test_a_wrong_answer_is_counted_and_named(town, tmp_path):
    """Two places swapped in truth: what was right before is wrong now, and reported so."""
    source = open_source(town[0])
    frames = [replace(f, geo=source.frames[(n + 4) % 8].geo) for n, f in enumerate(source.frames)]
    with PlaceRecognizer.open(town[1]) as recognizer:
        answers = replay_frames(frames, recognizer)
        accepted = [accept(answer) for answer in answers]
        evaluation = judge(accepted, recognizer.place_map, 5.0)
        metrics = write_replay(
            accepted, evaluation, {}, 'title', 4, tmp_path, recognizer.place_map
        )
    assert (metrics['num_accepted'], metrics['num_accepted_right']) == (8, 0)
    assert metrics['num_accepted_wrong'] == len(metrics['accepted_wrong']) == 8
    assert metrics['accepted_wrong'][0]['distance_m'] == pytest.approx(222.5, abs=1.0)


def accept(answer):
    return replace(answer, hypothesis=replace(answer.hypothesis, state=State.ACCEPTED))


def drive_with_truth(path, fixes=True):
    """Eight images 2 m apart with exact poses and, beside them, a GPS that is 1 km off."""
    records = []
    for n in range(8):
        stamp_ns = START_NS + n * 10**8
        records += [image(n, stamp_ns), pose_record(stamp_ns, 2.0 * n, topic='/ground_truth/pose')]
        records += [fix(stamp_ns, 52.01 + 2e-5 * n, 0.1)] if fixes else []
    return write_records(path, records)


def test_true_poses_judge_a_map_that_the_drive_makes(program, tmp_path):
    bag = drive_with_truth(tmp_path / 'bag')
    options = ('--map', tmp_path / 'own.map', '--mode', 'map', '--out', tmp_path / 'out', '--json')
    metrics = json.loads(program('replay', bag, *options).out)
    assert metrics['protocol']['reference'] == 'true poses on /ground_truth/pose'


def test_fixes_judge_a_geotagged_map_although_there_are_true_poses(program, town, tmp_path):
    bag = drive_with_truth(tmp_path / 'bag')
    outcome = program('replay', bag, '--map', town[1], '--out', tmp_path / 'out', '--json')
    assert json.loads(outcome.out)['protocol']['reference'] == 'GPS on /fix'


def test_positions_of_another_kind_leave_the_answers_unjudged(program, town, tmp_path):
    bag = drive_with_truth(tmp_path / 'bag', fixes=False)
    outcome = program('replay', bag, '--map', town[1], '--out', tmp_path / 'out', '--json')
    assert outcome.status == 0
    assert 'answers are not judged: expected WGS84 positions' in outcome.err
    assert len(rows_of(tmp_path / 'out')) == 8


def test_a_map_in_the_frame_of_its_own_odometry_cannot_be_judged(program, tmp_path):
    """Two drives without GPS or a common frame: all is written, and nothing is called wrong."""
    records = [record for n in range(8) for record in (image(n), odometry(n))]
    bag, place_map = write_records(tmp_path / 'bag', records), tmp_path / 'own.map'
    mapped = program('replay', bag, '--map', place_map, '--mode', 'map', '--out', tmp_path / 'a')
    assert mapped.status == 0
    outcome = program('replay', bag, '--map', place_map, '--out', tmp_path / 'b', '--json')
    assert "in the frame of that drive's odometry" in outcome.err
    assert 'num_accepted_wrong' not in json.loads(outcome.out)


def odometry(number):
    stamp_ns = START_NS + number * 10**8
    return '/odom', stamp_ns, messages.odometry(stamp_ns, planar(2.0 * number, 0.0))


def test_closures_leave_as_files_of_others(program, tmp_path):
    records = [record for n in range(8) for record in (image(n), odometry(n))]
    bag, place_map = write_records(tmp_path / 'bag', records), tmp_path / 'own.map'
    options = ('--map', place_map, '--mode', 'map', '--out', tmp_path / 'out')
    outcome = program('replay', bag, *options, '--export', 'g2o,tum,csv,json')
    names = ('closures.g2o', 'answers.tum', 'closures.csv', 'closures.json')
    assert all((tmp_path / 'out' / name).is_file() for name in names)
    assert 'closures.g2o, answers.tum, closures.csv, closures.json' in outcome.out
    lines = (tmp_path / 'out' / 'closures.g2o').read_text().splitlines()
    assert sum(line.startswith('VERTEX_SE3:QUAT') for line in lines) == 8


def test_g2o_without_odometry_is_refused_before_the_work(program, town, tmp_path):
    error = replay(program, town, tmp_path / 'out', '--export', 'csv,g2o').error
    assert 'expected one topic of nav_msgs/Odometry' in error
    assert not (tmp_path / 'out').exists()


def test_an_unknown_export_is_refused(program, town, tmp_path):
    assert "found 'ply'" in replay(program, town, tmp_path / 'out', '--export', 'ply').error
