"""The option that an error names as the way out exists in the command that failed."""

import re

import pytest

from ghost_vpr_ros.cli import demo_steps
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.cli.program import TINY
from test.replay.small_bags import fix, image, write_records


@pytest.fixture(scope='module')
def two_of_each(tmp_path_factory):
    """A bag with two cameras and two receivers, eight images of each."""
    records = []
    for number in range(8):
        stamp_ns = image(number)[1]
        records += [image(number, topic=f'/{side}/compressed') for side in ('left', 'right')]
        records += [fix(stamp_ns, 52 + 1e-4 * number, 0.1, f'/{n}') for n in ('fix_a', 'fix_b')]
    return write_records(tmp_path_factory.mktemp('bags') / 'two', records)


def named_option(error, name):
    """Option and value as the error gives them."""
    found = re.search(rf'({name}) (\S+)', error)
    assert found is not None, error
    return found.groups()


def assert_named_options_work(program, *command):
    image_topic = named_option(program(*command).error, '--image-topic')
    position_topic = named_option(program(*command, *image_topic).error, '--position-topic')
    outcome = program(*command, *image_topic, *position_topic)
    assert outcome.status == 0, outcome.err


def test_in_build_map(program, two_of_each, tmp_path):
    command = ('build-map', two_of_each, tmp_path / 'a.map', *TINY)
    assert_named_options_work(program, *command)


def test_in_make_bag(program, two_of_each, tmp_path):
    assert_named_options_work(program, 'make-bag', two_of_each, tmp_path / 'copy')


def test_in_evaluate(program, two_of_each, tmp_path):
    sources = ('--database', two_of_each, '--queries', two_of_each, '--ground-truth', 'position')
    command = ('evaluate', *sources, '--out', tmp_path / 'out', *TINY)
    assert_named_options_work(program, *command)


@pytest.mark.parametrize('option', ['--position-topic', '--ground-truth-topic'])
def test_in_replay(program, built, two_of_each, tmp_path, option):
    command = ('replay', two_of_each, '--map', built, '--out', tmp_path / 'out')
    image_topic = named_option(program(*command).error, '--image-topic')
    named_option(program(*command, *image_topic).error, '--position-topic')
    assert program(*command, *image_topic, option, 'none').status == 0


def test_in_demo(program, built, two_of_each, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_steps, 'ros_is_missing', lambda: True)
    weights = tmp_path / 'tiny.safetensors'
    with PlaceMap.open(built) as place_map:
        weights.write_bytes(place_map.model_bytes())
    command = ('demo', '--data', two_of_each, '--out', tmp_path / 'demo', '--model', weights)
    assert_named_options_work(program, *command)
