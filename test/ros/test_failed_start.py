"""What makes `configure` fail: one sentence each, exit status 1, nothing left behind."""

import shutil
import signal
import sqlite3

import pytest

from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.ros.place_recognition_node import main


@pytest.fixture
def start(capfd):
    """Runs the node's `main` until it gives up; returns exit status and what it printed."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(**parameters):
        given = [part for item in parameters.items() for part in ('-p', '{}:={}'.format(*item))]
        status = main(['--ros-args', *given])
        return status, capfd.readouterr().err

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def one_error(text):
    errors = [line for line in text.splitlines() if '[ERROR]' in line or '[FATAL]' in line]
    assert len(errors) == 1 and 'Traceback' not in text, text
    return errors[0]


def test_no_map(start):
    status, text = start()
    assert status == 1
    assert 'parameter map: expected a map file' in one_error(text)


def test_a_missing_map(start, tmp_path):
    status, text = start(map=tmp_path / 'nowhere.vprmap')
    assert status == 1
    assert 'nowhere.vprmap' in one_error(text)


def test_a_file_that_is_no_map(start, tmp_path):
    path = tmp_path / 'notes.vprmap'
    path.write_text('shopping: bread, milk\n' * 100)
    status, text = start(map=path)
    assert status == 1
    assert 'notes.vprmap' in one_error(text)
    assert path.read_text().startswith('shopping')


def test_a_truncated_map(start, tmp_path, place_map_path):
    path = tmp_path / 'half.vprmap'
    content = place_map_path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    status, text = start(map=path)
    assert status == 1
    assert 'half.vprmap' in one_error(text)


@pytest.mark.parametrize('clusters', [4, 5])
def test_a_map_of_another_model_or_another_dimension(start, tmp_path, place_map_path, clusters):
    from test.ros.small_map import make_model

    weights = tmp_path / 'other.safetensors'
    save_model(make_model(seed=7, clusters=clusters), weights)
    status, text = start(map=place_map_path, model=weights)
    assert status == 1
    assert 'model' in one_error(text)


def test_unreadable_weights(start, tmp_path, place_map_path):
    weights = tmp_path / 'broken.safetensors'
    weights.write_bytes(b'not weights')
    status, text = start(map=place_map_path, model=weights)
    assert status == 1
    assert 'broken.safetensors' in one_error(text)


def test_damaged_weights_inside_the_map(start, tmp_path, place_map_path):
    path = shutil.copy(place_map_path, tmp_path / 'damaged.vprmap')
    with sqlite3.connect(path) as connection:
        table, column = blob_column(connection, 'model')
        connection.execute(f"UPDATE {table} SET {column} = x'00'")
    status, text = start(map=path)
    assert status == 1
    assert 'damaged.vprmap' in one_error(text)


def blob_column(connection, word):
    """Table and column of the map's stored network."""
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
        for row in connection.execute(f'PRAGMA table_info({table})'):
            if row[2] == 'BLOB' and (word in row[1] or word in table):
                return table, row[1]
    raise AssertionError('the map stores no network')


@pytest.mark.parametrize('device', ['cuda:17', 'quantum'])
def test_no_such_device(start, place_map_path, device):
    status, text = start(map=place_map_path, device=device)
    assert status == 1
    assert device in one_error(text)


def test_a_parameter_out_of_range(start, place_map_path):
    status, text = start(map=place_map_path, min_probability=2.0)
    assert status == 1
    assert 'min_probability' in one_error(text)


def test_without_autostart_a_missing_map_is_no_reason_to_end(ros):
    from rclpy.lifecycle import TransitionCallbackReturn

    from ghost_vpr_ros.ros.lifecycle_node import PlaceRecognitionNode

    node = PlaceRecognitionNode()
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    node.destroy_node()
