"""Which network a command runs: the shipped one, unless another one is given."""

import json
from pathlib import Path

import pytest

from ghost_vpr_ros.cli import doctor
from ghost_vpr_ros.core.model import default_weights
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import save_model
from test.cli.program import UNTRAINED
from test.core.model.tiny_model import tiny_model


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VprModel:
    """A small network in the place of the shipped one."""
    model = tiny_model(seed=5)
    save_model(model, tmp_path / 'shipped.safetensors')
    path = tmp_path / 'shipped.safetensors'
    monkeypatch.setattr(default_weights, 'default_weights_path', lambda: path)
    return model


@pytest.fixture
def missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without weights."""
    monkeypatch.setattr(default_weights, 'default_weights_path', lambda: tmp_path / 'none')


def test_a_map_is_built_with_the_shipped_weights(program, folder, tmp_path, shipped):
    outcome = program('build-map', folder, tmp_path / 'a.map', '--json')
    assert json.loads(outcome.out)['weights'] == shipped.provenance
    assert 'note:' not in outcome.err
    stored = json.loads(program('info', tmp_path / 'a.map', '--json').out)['model']
    assert stored['hash'] == shipped.model_hash


def test_a_map_of_the_shipped_weights_answers(program, folder, tmp_path, shipped, query_image):
    assert program('build-map', folder, tmp_path / 'a.map').status == 0
    line = program('query', tmp_path / 'a.map', query_image).out.splitlines()[0]
    assert json.loads(line)['name'] == '003.jpg'


def test_an_evaluation_runs_the_shipped_weights(program, folder, again, tmp_path, shipped):
    sources = ['--database', folder, '--queries', again, '--ground-truth', 'index']
    outcome = program('evaluate', *sources, '--out', tmp_path / 'out', '--json')
    assert json.loads(outcome.out)['model']['hash'] == shipped.model_hash


def test_untrained_is_said_in_so_many_words(program, folder, tmp_path, shipped):
    small = ['--width-px', '64', '--height-px', '64', '--clusters', '2']
    outcome = program('build-map', folder, tmp_path / 'a.map', *UNTRAINED, *small, '--json')
    assert json.loads(outcome.out)['weights'].startswith('untrained: random weights of seed 0')
    assert 'note: the network is untrained' in outcome.err


@pytest.mark.parametrize('option', ['--clusters', '--width-px', '--seed'])
def test_an_architecture_needs_the_word_untrained(program, folder, tmp_path, shipped, option):
    error = program('build-map', folder, tmp_path / 'a.map', option, '64').error
    assert error.startswith(f'{option}: fixed by the weights')
    assert 'add --model untrained' in error
    assert not (tmp_path / 'a.map').exists()


def test_an_installation_without_weights_reports_it(program, folder, tmp_path, missing):
    error = program('build-map', folder, tmp_path / 'a.map').error
    assert 'none: expected the weights that come with ghost_vpr_ros' in error
    assert not (tmp_path / 'a.map').exists()


def test_without_weights_an_untrained_network_still_works(program, folder, tmp_path, missing):
    small = ['--width-px', '64', '--height-px', '64', '--clusters', '2']
    assert program('build-map', folder, tmp_path / 'a.map', *UNTRAINED, *small).status == 0


def test_info_without_a_name_describes_the_shipped_weights(program, shipped):
    values = json.loads(program('info', '--json').out)
    assert (values['kind'], values['hash']) == ('weights', shipped.model_hash)


def test_the_doctor_looks_at_the_shipped_weights(shipped):
    finding = doctor.PROBES['weights']()
    assert finding.works
    assert shipped.model_hash[:12] in finding.detail


def test_the_doctor_misses_weights_that_are_not_there(missing):
    finding = doctor.PROBES['weights']()
    assert not finding.works
    assert 'install the package again' in finding.detail
