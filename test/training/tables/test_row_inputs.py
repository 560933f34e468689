"""Digests: what changes a stage's result changes its digest, and nothing else does."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.datasets.data_config import DataConfig
from training.experiment import Experiment, read_experiment
from training.tables.row_runs import digest_of, files_digest, stage_inputs

TEXT = """
preprocessing: {{width_px: 64, height_px: 64}}
model: {{clusters: 4}}
init: {folder}/init.safetensors
data: {{train: {{path: [{folder}/places], split: train}}}}
distillation: {{photos: [2 {folder}/photos], steps: 10, continue_from: {folder}/trunk.safetensors}}
refinement: {{places: [1 photos {folder}/photos]}}
loss: {{margin: 0.2}}
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    for name in ('places', 'photos'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'a.jpg').write_bytes(b'12345')
    (tmp_path / 'places' / 'manifest.csv').write_text('image\na.jpg\n')
    (tmp_path / 'init.safetensors').write_bytes(b'weights')
    (tmp_path / 'trunk.safetensors').write_bytes(b'a trunk')
    path = tmp_path / 'experiment.yaml'
    path.write_text(TEXT.format(folder=tmp_path))
    files_digest.cache_clear()
    return read_experiment(path)


def digest(stage: str, experiment: Experiment, before: str = '') -> str:
    files_digest.cache_clear()
    return digest_of(stage_inputs(stage, experiment, before))


def with_loss(experiment: Experiment, **changed: object) -> Experiment:
    sections = dict(experiment.sections)
    sections['loss'] = replace(sections['loss'], **changed)
    return replace(experiment, sections=sections)


def test_a_stage_follows_from_its_own_sections(experiment: Experiment) -> None:
    other = with_loss(experiment, margin=0.3)
    assert digest('train', experiment) != digest('train', other)
    assert digest('initialise', experiment) == digest('initialise', other)
    assert digest('distill', experiment) == digest('distill', other)


def test_a_setting_at_its_default_is_as_if_not_named(experiment: Experiment) -> None:
    said = stage_inputs('train', experiment, '')['said']
    assert said['loss'] == {'margin': 0.2}
    assert stage_inputs('train', with_loss(experiment, margin=0.1), '')['said']['loss'] == {}


def test_seed_model_and_weights_before_count(experiment: Experiment) -> None:
    found = {
        digest('train', experiment),
        digest('train', replace(experiment, seed=1)),
        digest('train', replace(experiment, model=replace(experiment.model, clusters=8))),
        digest('train', experiment, before='abc'),
        digest('train', experiment, before='abd'),
    }
    assert len(found) == 5


def test_files_count(experiment: Experiment, tmp_path: Path) -> None:
    train, distill = digest('train', experiment), digest('distill', experiment)
    (tmp_path / 'places' / 'manifest.csv').write_text('image\nb.jpg\n')
    changed = digest('train', experiment)
    assert changed != train
    assert digest('distill', experiment) == distill
    refine = digest('refine', experiment)
    (tmp_path / 'photos' / 'b.jpg').write_bytes(b'1')
    assert digest('distill', experiment) != distill and digest('refine', experiment) != refine
    distill = digest('distill', experiment)
    (tmp_path / 'trunk.safetensors').write_bytes(b'another')
    assert digest('distill', experiment) != distill
    (tmp_path / 'init.safetensors').write_bytes(b'others.')
    assert digest('train', experiment) != changed
    # After another stage the weights are that stage's.
    assert digest('train', experiment, 'abc') == digest(
        'train', replace(experiment, init=''), 'abc'
    )


def test_images_are_told_apart_by_name_and_size(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(b'12345')
    first = files_digest.__wrapped__(tmp_path)
    (tmp_path / 'a.jpg').write_bytes(b'54321')
    assert files_digest.__wrapped__(tmp_path) == first
    (tmp_path / 'a.jpg').write_bytes(b'123456')
    assert files_digest.__wrapped__(tmp_path) != first


def test_where_data_lies_does_not_count(experiment: Experiment, tmp_path: Path) -> None:
    moved = tmp_path / 'moved'
    (tmp_path / 'places').rename(moved)
    before = files_digest.__wrapped__(moved)
    moved.rename(tmp_path / 'places')
    assert files_digest.__wrapped__(tmp_path / 'places') == before
    assert isinstance(experiment.data['train'][0], DataConfig)
