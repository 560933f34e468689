"""An experiment's sections: each is found and checked, and travels to config.yaml and back."""

from pathlib import Path

import pytest
import yaml

from ghost_vpr_ros.core.config.settings import Config
from ghost_vpr_ros.core.errors import ConfigError
from training.experiment import SECTIONS, _config_class, read_experiment
from training.loop.optimiser import OptimiserConfig
from training.places.loss import LossConfig


def written(folder: Path, text: str) -> Path:
    path = folder / 'experiment.yaml'
    path.write_text(text)
    return path


@pytest.mark.parametrize('name', SECTIONS)
def test_every_section_names_a_configuration(name: str) -> None:
    kind = _config_class(name)
    assert issubclass(kind, Config)
    assert kind().to_dict()


def test_sections_are_found_by_their_class(tmp_path: Path) -> None:
    experiment = read_experiment(written(tmp_path, 'loss: {margin: 0.25}'))
    assert experiment.section(LossConfig).margin == 0.25
    assert experiment.section(OptimiserConfig) == OptimiserConfig()


def test_changes_are_applied_to_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'seed: 1\nloss: {margin: 0.25}')
    changes = ['seed=7', 'loss.reduction=mean', 'model.dilation=[1, 1]']
    experiment = read_experiment(path, [*changes, 'optimiser.learning_rate=1e-4'])
    loss = experiment.section(LossConfig)
    assert (experiment.seed, loss.margin, loss.reduction) == (7, 0.25, 'mean')
    assert experiment.section(OptimiserConfig).learning_rate == 1e-4
    assert experiment.model.dilation == (1, 1)


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    text = """
    seed: 2
    init: start.safetensors
    data: {train: [{path: [a]}, {path: [b], split: train}], val: {path: [c]}}
    optimiser: {kind: adamw}
    """
    experiment = read_experiment(written(tmp_path, text))
    assert [config.path for config in experiment.data_part('train')] == [('a',), ('b',)]
    again = read_experiment(written(tmp_path, yaml.safe_dump(experiment.to_dict())))
    assert again == experiment


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('optimizer: {}', "unknown key 'optimizer'; did you mean 'optimiser'"),
        ('mining: {random_negative: 5}', "did you mean 'random_negatives'"),
        ('loss: {reduction: median}', 'expected one of sum, mean'),
        ('data: {trian: {}}', "data: unknown key 'trian'; did you mean 'train'"),
        ('data: {train: [5]}', 'data.train: expected a mapping of keys or a list'),
        ('data: {train: []}', 'data.train: expected a mapping of keys or a list'),
        ('init: 5', 'init: expected the path'),
        ('seed: 18446744073709551616', 'seed: expected an integer of 0 .. 2147483647'),
        ('optimiser: {learning_rate: x}', 'section optimiser: learning_rate: expected'),
        ('data: {train: {path: 5}}', 'section data.train: path: expected'),
        ('seed: 1\nseed: 2', "expected YAML, found a fault (key 'seed' occurs twice"),
    ],
)
def test_a_bad_section_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=r'experiment\.yaml: ') as error:
        read_experiment(written(tmp_path, text))
    assert sentence in str(error.value)


@pytest.mark.parametrize('change', ['seed', '=5', 'loss.margin=[', 'loss.margn=1'])
def test_a_bad_change_is_refused(tmp_path: Path, change: str) -> None:
    with pytest.raises(ConfigError):
        read_experiment(written(tmp_path, 'seed: 0'), [change])


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'data\.val: expected a data set'):
        read_experiment(written(tmp_path, 'seed: 0')).data_part('val')
