"""Model cards: their numbers match the files, and evaluation data is kept separate."""

import json
from pathlib import Path

import pytest

from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import save_model
from test.core.model.tiny_model import tiny_model
from test.training.tiny_places import write_experiment
from training.evaluate import main as evaluate
from training.experiment import read_experiment
from training.model_card import (
    NOTES,
    CardFacts,
    Notes,
    Source,
    main,
    model_card,
    read_notes,
    run_card,
    sources_of,
)

CONFIG = """
seed: 7
data: {{train: {{path: [{root}], split: train}}}}
distillation: {{photos: ['2.5 {root} split=train'], steps: 123}}
refinement: {{places: ['1 pairs {root} split=train queries:role=query database:role=database']}}
"""
NOTES_TEXT = """
data: {places: 'invented scenes, CC0'}
never_trained_on: [the moon]
intended_use: [tests]
limits: [tiny]
"""


@pytest.fixture(scope='module')
def model() -> VprModel:
    return tiny_model()


def prepared(tmp_path: Path, model: VprModel) -> list[str]:
    """Weights, experiment, notes, a protocol on the val split, and figures for it."""
    config = write_experiment(tmp_path, CONFIG)
    (tmp_path / 'notes.yaml').write_text(NOTES_TEXT)
    protocols = tmp_path / 'protocols.yaml'
    protocols.write_text(f'unseen: {{path: [{tmp_path / "places"}], split: val}}\n')
    weights = tmp_path / 'tiny.safetensors'
    save_model(model, weights)
    assert (
        evaluate(
            [
                '--weights',
                str(weights),
                '--protocols',
                str(protocols),
                '--out',
                str(tmp_path / 'f.json'),
            ]
        )
        == 0
    )
    return [
        *(
            '--weights',
            str(weights),
            '--config',
            str(config),
            '--notes',
            str(tmp_path / 'notes.yaml'),
        ),
        *('--protocols', str(protocols), '--figures', str(tmp_path / 'f.json')),
        *('--stages', 'distill', 'whiten', '--out', str(tmp_path / 'CARD.md')),
    ]


def test_every_number_is_that_of_the_files(tmp_path, model):
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'metrics.json').write_text(json.dumps({'elapsed_s': 12.5, 'val_recall': {'1': 3}}))
    command = 'python -m training.distill --config x'
    more = ['--runs', str(run), '--command', command]
    assert main([*prepared(tmp_path, model), *more]) == 0
    card = (tmp_path / 'CARD.md').read_text()
    row = json.loads((tmp_path / 'f.json').read_text())[0]['rows'][0]
    recall = ' | '.join(f'{value:.1f}' for value in row['recall'].values())
    size_mb = (tmp_path / 'tiny.safetensors').stat().st_size / 1e6
    for line in (
        f'| hash | {model.model_hash} |',
        f'| file | tiny.safetensors, {size_mb:.1f} MB |',
        '| descriptor | 640 numbers, unit norm |',
        '| seed | 7 |',
        f'| unseen | 640 | {recall} | 4 (0 without positives) | 4 |',
        f'| distill | `{tmp_path / "places"} split=train` | 16 | invented scenes, CC0 |',
        f'| whiten | `{tmp_path / "places"} split=train` | 16 | invented scenes, CC0 |',
        '- the moon',
        'None of the 8 images behind the figures above was used in training',
        '  steps: 123',
        '| elapsed_s | 12.5 |',
        'The weights are Apache-2.0',
        command,
    ):
        assert line in card, line
    assert 'val_recall' not in card


def test_the_card_follows_from_the_facts_alone(model, tmp_path):
    experiment = read_experiment(write_experiment(tmp_path, CONFIG))
    facts = CardFacts(model, 'a.safetensors', 2_500_000, experiment, [], Notes({}, (), (), ()))
    card = model_card(facts)
    assert card == model_card(facts)
    assert [line for line in card.splitlines() if line.startswith('#')] == [
        '# a.safetensors',
        '## Weights',
        '## Recipe',
        '## Licence',
    ]
    assert 'a.safetensors, 2.5 MB' in card


def test_the_sources_are_those_of_the_stages_that_were_run(tmp_path):
    experiment = read_experiment(write_experiment(tmp_path, CONFIG))
    text, notes = f'{tmp_path / "places"} split=train', Notes({'places': 'x'}, (), (), ())
    found = sources_of(experiment, ['refine', 'train', 'distill'], notes)
    assert [(source.use, source.text, source.note) for source in found] == [
        ('distill', text, 'x'),
        ('train', text, 'x'),
        ('refine', text, 'x'),
    ]


def test_figures_on_images_that_were_trained_on_are_refused(tmp_path, model, capsys):
    given = prepared(tmp_path, model)
    protocols = tmp_path / 'protocols.yaml'
    protocols.write_text(protocols.read_text().replace('split: val', 'split: train'))
    assert main(given) == 1
    assert 'expected images that were not trained on, found 8 of 8' in capsys.readouterr().err
    assert not (tmp_path / 'CARD.md').exists()


def test_figures_of_other_weights_are_refused(tmp_path, model, capsys):
    given = prepared(tmp_path, model)
    save_model(tiny_model(seed=1), tmp_path / 'tiny.safetensors')
    assert main(given) == 1
    assert f'found figures of {model.model_hash[:12]}' in capsys.readouterr().err


def test_data_that_nobody_described_is_refused(tmp_path, model, capsys):
    given = prepared(tmp_path, model)
    (tmp_path / 'notes.yaml').write_text(NOTES_TEXT.replace('places', 'other'))
    assert main(given) == 1
    assert 'expected a note on its content and licence' in capsys.readouterr().err


def test_a_file_that_is_not_of_evaluate_is_refused(tmp_path, model, capsys):
    given = prepared(tmp_path, model)
    (tmp_path / 'f.json').write_text('{"recall": 100}')
    assert main(given) == 1
    assert 'expected the output of `training.evaluate --out`' in capsys.readouterr().err


def test_the_notes_of_the_repository_describe_the_data_of_its_recipe():
    notes = read_notes(NOTES)
    experiment = read_experiment(Path('training/configs/ghost_vpr.yaml'))
    found = sources_of(experiment, ['distill', 'train', 'whiten', 'refine'], notes)
    assert found
    assert [source.text for source in found if not source.note] == []
    assert notes.never_trained_on and notes.intended_use and notes.limits


def test_a_trainings_card_claims_nothing_about_other_data(model, tmp_path):
    save_model(model, tmp_path / 'weights.safetensors')
    experiment = read_experiment(write_experiment(tmp_path, CONFIG))
    metrics = {'val_recall': {'1': 81.25}, 'steps': 40}
    card = run_card(experiment, tmp_path / 'weights.safetensors', metrics)
    assert '| validation recall@1 | 81.25 |' in card
    assert '| steps | 40 |' in card
    assert f'| train | `{tmp_path / "places"} split=train` |  |  |' in card
    assert 'Never trained on' not in card


def test_cells_cannot_break_the_table(model, tmp_path):
    experiment = read_experiment(write_experiment(tmp_path, CONFIG))
    source = Source('distill', 'a|b', 'one\ntwo', 3)
    facts = CardFacts(model, 'a', 1, experiment, [source], Notes({}, (), (), ()))
    assert '| distill | `a\\|b` | 3 | one two |' in model_card(facts)
