"""What makes `configure` fail: one sentence each, exit status 1, nothing left behind."""

import shutil
import signal
import sqlite3

import pytest

from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.ros.place_recognition_node import main


@pytest.fixture
def refusal(capfd):
    """Runs the node's `main` until it gives up with exit status 1; returns its only error."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(**parameters):
        given = [part for item in parameters.items() for part in ('-p', '{}:={}'.format(*item))]
        status = main(['--ros-args', *given])
        assert status == 1
        text = capfd.readouterr().err
        errors = [line for line in text.splitlines() if '[ERROR]' in line or '[FATAL]' in line]
        assert len(errors) == 1 and 'Traceback' not in text, text
        return errors[0]

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def test_no_map(refusal):
    assert 'parameter map: expected a map file' in refusal()


def test_a_missing_map(refusal, tmp_path):
    assert 'nowhere.vprmap' in refusal(map=tmp_path / 'nowhere.vprmap')


def test_a_file_that_is_no_map(refusal, tmp_path):
    path = tmp_path / 'notes.vprmap'
    path.write_text('shopping: bread, milk\n' * 100)
    assert 'notes.vprmap' in refusal(map=path)
    assert path.read_text().startswith('shopping')


def test_a_truncated_map(refusal, tmp_path, place_map_path):
    path = tmp_path / 'half.vprmap'
    content = place_map_path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert 'half.vprmap' in refusal(map=path)


@pytest.mark.parametrize('clusters', [4, 5])
def test_a_map_of_another_model_or_another_dimension(refusal, tmp_path, place_map_path, clusters):
    from test.ros.small_map import make_model

    weights = tmp_path / 'other.safetensors'
    save_model(make_model(seed=7, clusters=clusters), weights)
    assert 'model' in refusal(map=place_map_path, model=weights)


def test_unreadable_weights(refusal, tmp_path, place_map_path):
    weights = tmp_path / 'broken.safetensors'
    weights.write_bytes(b'not weights')
    assert 'broken.safetensors' in refusal(map=place_map_path, model=weights)


def test_damaged_weights_inside_the_map(refusal, tmp_path, place_map_path):
    path = shutil.copy(place_map_path, tmp_path / 'damaged.vprmap')
    with sqlite3.connect(path) as connection:
        table, column = blob_column(connection, 'model')
        connection.execute(f"UPDATE {table} SET {column} = x'00'")
    assert 'damaged.vprmap' in refusal(map=path)


def blob_column(connection, word):
    """Table and column of the map's stored network."""
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
        for row in connection.execute(f'PRAGMA table_info({table})'):
            if row[2] == 'BLOB' and (word in row[1] or word in table):
                return table, row[1]
    raise AssertionError('the map stores no network')


@pytest.mark.parametrize(
    ('name', 'value', 'word'),
    [
        ('device', 'cuda:17', 'cuda:17'),
        ('device', 'quantum', 'quantum'),
        ('min_probability', 2.0, 'min_probability'),
    ],
)
def test_a_parameter_that_cannot_be_used(refusal, place_map_path, name, value, word):
    assert word in refusal(map=place_map_path, **{name: value})


def test_without_autostart_a_missing_map_is_no_reason_to_end(ros):
    from rclpy.lifecycle import TransitionCallbackReturn

    from ghost_vpr_ros.ros.lifecycle_node import PlaceRecognitionNode

    node = PlaceRecognitionNode()
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    node.destroy_node()
