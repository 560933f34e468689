"""The demonstration, with the real node where this Python has ROS."""

import json

import pytest

from ghost_vpr_ros.cli import demo_node, demo_steps
from ghost_vpr_ros.core.model.weights import save_model
from test.cli.program import write_images
from test.core.model.tiny_model import tiny_model

SMALL = ['--node-images', '2', '--node-rate-hz', '2']


@pytest.fixture
def walk(tmp_path):
    return write_images(tmp_path / 'walk', range(6))


@pytest.fixture
def demo(program, walk, tmp_path):
    """Runs `ghost-vpr demo` on the walk with a small network."""
    weights = tmp_path / 'tiny.safetensors'
    save_model(tiny_model(), weights)
    fixed = ('--data', walk, '--out', tmp_path / 'demo', '--model', weights)
    return lambda *options: program('demo', *fixed, *options)


@pytest.mark.slow
def test_it_runs_on_a_bare_folder_up_to_the_real_node(demo, tmp_path):
    pytest.importorskip('rclpy')
    outcome = demo(*SMALL)
    assert outcome.status == 0, outcome.out
    assert 'every second image is the map (3) and the others are queries (3)' in outcome.out
    summary = json.loads((tmp_path / 'demo' / 'walk' / 'summary.json').read_text())
    node = summary['node']
    assert (node['published'], node['answered'], node['lost']) == (2, 2, 0)
    assert '2 answered (0 lost)' in outcome.out
    assert summary['evaluation']['num_queries'] == 3
    assert summary['replay']['num_frames'] == 3


def test_a_killed_run_and_a_finished_one_can_be_followed_by_another(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_steps, 'ros_is_missing', lambda: True)
    folder = tmp_path / 'demo' / 'walk'
    folder.mkdir(parents=True)
    for name in ('places.map', 'places.map-wal', 'places.map-shm'):
        (folder / name).write_bytes(b'of a killed run')
    outcome = demo()
    assert outcome.status == 0
    assert 'not run: this Python has no rclpy' in outcome.out
    assert demo().status == 0


def test_a_bad_image_leaves_no_half_map(demo, walk, tmp_path):
    min(walk.iterdir()).write_bytes(b'no image')
    outcome = demo()
    assert outcome.status == 1
    assert not list(tmp_path.glob('demo/**/*.map*'))


def test_a_node_that_fails_is_reported_with_its_log(demo, monkeypatch):
    monkeypatch.setattr(demo_steps, 'ros_is_missing', lambda: False)
    monkeypatch.setattr(demo_node, 'NODE_MODULE', 'no_such_module')
    outcome = demo(*SMALL)
    assert outcome.status == 1
    assert 'the node ended with exit status 1' in outcome.out


def test_lost_images_are_not_filled_up_with_answers_to_others():
    sent = [{'image': f'{n}.jpg', 'stamp_ns': n} for n in (1, 2, 3)]
    answers = [{'stamp_ns': str(n), 'state': 'ACCEPTED'} for n in (0, 1, 3)]
    published, matched = demo_node.match_answers(sent, answers)
    assert published == ['1.jpg', '2.jpg', '3.jpg']
    assert {name: a['stamp_ns'] for name, a in matched.items()} == {'1.jpg': '1', '3.jpg': '3'}


def test_the_transport_profile_is_found():
    profile = demo_node.fastdds_profile()
    assert profile is not None
    assert demo_node.node_environment()['FASTRTPS_DEFAULT_PROFILES_FILE'] == str(profile)
