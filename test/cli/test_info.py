"""The reports on maps, weights and the machine."""

import contextlib
import json
import sqlite3

import pytest

from ghost_vpr_ros.cli import doctor
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.weights import model_from_bytes, save_model
from test.cli.program import TINY


@pytest.fixture
def weights(built, tmp_path):
    path = tmp_path / 'tiny.safetensors'
    with PlaceMap.open(built) as place_map:
        save_model(model_from_bytes(place_map.model_bytes(), 'map'), path)
    return path


def test_a_map_describes_itself_and_its_model(program, built):
    values = json.loads(program('info', built, '--json').out)
    assert (values['kind'], values['keyframes'], values['frame']) == ('map', 8, 'none')
    assert values['sessions']['walk']['keyframes'] == 8
    assert values['model']['descriptor_dim'] == 640
    assert values['model']['preprocessing']['width_px'] == 64


def test_stamps_that_are_not_known_are_not_shown_as_numbers(program, built):
    (session,) = json.loads(program('info', built, '--json').out)['sessions'].values()
    assert session['first_stamp_ns'] is None and session['last_stamp_ns'] is None


def test_weights_describe_themselves(program, weights):
    values = json.loads(program('info', weights, '--json').out)
    assert values['kind'] == 'weights'
    assert values['architecture']['clusters'] == 4
    assert values['weights'].startswith('untrained')


def test_the_table_holds_the_same_values(program, built):
    text = program('info', built).out
    assert 'keyframes' in text
    assert 'descriptor dim' in text


def test_a_missing_file_is_one_line(program, tmp_path):
    assert 'expected a map or a weights file, found none' in program('info', tmp_path / 'x').error


def test_weights_of_a_map_can_be_given_again(program, weights, built, query_image):
    outcome = program('query', built, query_image, '--model', weights, '--top-k', 1)
    assert json.loads(outcome.out)['name'] == '003.jpg'


def test_doctor_probes_every_part(program):
    findings = json.loads(program('doctor', '--json').out)
    assert set(findings) == set(doctor.PROBES)
    assert findings['torch']['works']
    assert findings['faiss']['works']


def test_doctor_reports_a_missing_module_and_exits_with_0(program, monkeypatch):
    probe = doctor._module('no_such_module', 'no-such-package', 'nothing')
    monkeypatch.setattr(doctor, 'PROBES', {'ghost': probe})
    outcome = program('doctor')
    assert outcome.status == 0
    assert 'missing  ghost' in outcome.out
    assert 'pip install no-such-package' in outcome.out


def test_check_reads_all_of_a_map(program, built, tmp_path):
    done = program('info', built, '--check', '--json')
    assert done.status == 0
    assert json.loads(done.out)['structure'] == 'ok'
    copy = tmp_path / 'copy.map'
    copy.write_bytes(built.read_bytes())
    with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE views SET jpeg = x'ffd8' WHERE keyframe_id = 2")
        connection.execute('UPDATE keyframes SET stamp_ns = stamp_ns + 1 WHERE keyframe_id = 1')
    done = program('info', copy, '--check', '--json')
    assert done.status == 1
    values = json.loads(done.out)
    assert (values['damaged_keyframes'], values['damaged_views']) == ([1], [2])
    assert 'are left out' in done.err
    assert 'warning: ' in program('info', copy).err


def test_check_wants_a_map(program, tmp_path):
    assert 'expected a map file with --check' in program('info', '--check').error


def test_names_of_users_and_degrees_are_shown_as_they_are(program, geotagged, tmp_path):
    path = tmp_path / 'a.map'
    program('build-map', geotagged, path, '--session', 'drive_0', *TINY)
    text = program('info', path).out
    assert '  drive_0\n' in text
    assert '52.0000000' in text


def test_a_small_map_states_what_it_lacks(program, geotagged, tmp_path):
    path = tmp_path / 'a.map'
    built = program('build-map', geotagged, path, *TINY, '--json')
    sentence = json.loads(built.out)['decides']
    assert '10 keyframes that find a neighbour within 25 m are needed' in sentence
    assert json.loads(program('info', path, '--json').out)['decides'] == sentence
