"""Named protocols: their figures against a search by hand, prefixes, and what is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.weights import load_model, save_model
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from ghost_vpr_ros.replay.evaluation.metrics import RECALL_RANKS
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.training.tiny_places import write_places
from training.evaluate import main, prefix
from training.measure.protocols import PROTOCOLS, open_protocol, read_protocols

TEXT = """
near: {path: [$GHOST_VPR_DATA], split: val}
nearer: {path: [$GHOST_VPR_DATA], split: val, positive_distance_m: 4.9}
walk: {ground_truth: index, path: [$GHOST_VPR_DATA], queries_path: $GHOST_VPR_DATA, tolerance: 0}
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('evaluate')
    images = write_places(path / 'places')
    (path / 'protocols.yaml').write_text(TEXT)
    model = build_untrained(
        ModelConfig(crop_channels=160, clusters=2, descriptor_dim=8),
        PreprocessingConfig(width_px=96, height_px=96),
        [read_image(file) for file in sorted(images.glob('*.png'))],
    )
    save_model(model, path / 'weights.safetensors')
    return path


@pytest.fixture(autouse=True)
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('GHOST_VPR_DATA', str(folder / 'places'))


def evaluate(folder: Path, *more: str) -> int:
    weights, protocols = folder / 'weights.safetensors', folder / 'protocols.yaml'
    return main(['--weights', str(weights), '--protocols', str(protocols), *more])


def test_recall_is_that_of_a_search_by_hand(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert evaluate(folder, '--only', 'near', '--dims', '8', '3', '--json') == 0
    (result,) = json.loads(capsys.readouterr().out)
    model = load_model(folder / 'weights.safetensors')
    assert result['hash'] == model.model_hash

    frames = open_source(folder / 'places', where={'split': 'val'}).frames
    whole = extract_descriptors(frames, model, create_engine(model))
    for row, dim in zip(result['rows'], (8, 3), strict=True):
        short = whole[:, :dim] / np.linalg.norm(whole[:, :dim], axis=1, keepdims=True)
        similarity = short[0::2] @ short[1::2].T  # Views are query and database in turn.
        order = np.argsort(-similarity, axis=1)
        rank = [int(np.flatnonzero(found == q)[0]) for q, found in enumerate(order)]
        expected = {str(n): 100.0 * np.mean(np.array(rank) < n) for n in RECALL_RANKS}
        assert row['recall'] == pytest.approx(expected)
        assert (row['descriptor_dim'], row['num_queries'], row['num_database']) == (dim, 4, 4)
        share = expected['1'] / 100.0
        error = 100.0 * (share * (1 - share) / 4) ** 0.5
        assert row['standard_error_at_1'] == pytest.approx(error)


def test_a_table_of_several_weights(folder: Path, capsys: pytest.CaptureFixture) -> None:
    again = folder / 'again.safetensors'
    again.write_bytes((folder / 'weights.safetensors').read_bytes())
    out = folder / 'recall.json'
    weights = ['--weights', str(folder / 'weights.safetensors'), str(again)]
    assert (
        main(
            [
                *weights,
                '--protocols',
                str(folder / 'protocols.yaml'),
                '--out',
                str(out),
                '--only',
                'walk',
            ]
        )
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2
    # Each image is its own first answer.
    assert '| walk | 8 | 100.0 ± 0.0 | 100.0 | 100.0 | 100.0 | 100.0 | 24 | 24 |' in lines[2]
    assert len({line.count('|') for line in lines}) == 1
    assert [result['weights'] for result in json.loads(out.read_text())] == weights[1:]


def test_patches_give_a_second_look(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert evaluate(folder, '--only', 'walk', '--rerank', 'patch-netvlad', '--json') == 0
    ((row,),) = [result['rows'] for result in json.loads(capsys.readouterr().out)]
    # Each image is its own best match, patch by patch, too.
    assert row['recall']['1'] == 100.0
    assert row['right_at_1'] == [1] * 24
    assert row['protocol_id'].startswith('walk#')


def test_components_of_patches_are_learnt_from_images(folder: Path, capsys) -> None:
    learnt = ['--patch-pca', f'{folder / "places"} split=train', '--patch-dim', '3']
    second = ['--rerank', 'patch-netvlad', *learnt, '--json']
    assert evaluate(folder, '--only', 'walk', *second) == 0
    assert json.loads(capsys.readouterr().out)[0]['rows'][0]['recall']['1'] == 100.0
    assert evaluate(folder, '--only', 'walk', *learnt) == 1
    assert '--patch-pca: nothing is re-ranked' in capsys.readouterr().err


def test_a_protocol_may_say_the_size_of_images(folder: Path, capsys) -> None:
    """The images of the walk have 64 x 64 pixels, the network's input has 96 x 96."""
    (folder / 'sizes.yaml').write_text(
        f'{TEXT}own: {{ground_truth: index, path: [$GHOST_VPR_DATA], queries_path: '
        '$GHOST_VPR_DATA, tolerance: 0, fit: own}\nwide: {ground_truth: index, path: '
        '[$GHOST_VPR_DATA], queries_path: $GHOST_VPR_DATA, tolerance: 0, fit: pad, '
        'largest_side_px: 128}\n'
    )
    weights = ['--weights', str(folder / 'weights.safetensors')]
    sizes = ['--protocols', str(folder / 'sizes.yaml'), '--only', 'walk', 'own', 'wide']
    assert main([*weights, *sizes, '--json']) == 0
    rows = json.loads(capsys.readouterr().out)[0]['rows']
    assert [row['recall']['1'] for row in rows] == [100.0] * 3
    assert len({row['protocol_id'].split('#')[1] for row in rows}) == 3
    assert main([*weights, *sizes, '--engine', 'onnxruntime']) == 1
    assert '--engine: expected torch for inputs own size' in capsys.readouterr().err


def test_prefixes_have_unit_norm() -> None:
    short = prefix(np.array([[3.0, 4.0, 12.0], [0.0, 0.0, 1.0]], np.float32), 2)
    assert short == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (['--only', 'far'], "unknown protocol 'far'"),
        (['--only', 'nearer'], 'expected queries within 4.9 m'),
        (['--only', 'near', '--dims', '9'], '--dims: expected at most 8'),
        (['--only', 'near', '--data', 'absent'], 'absent'),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture, more: list[str], sentence: str
) -> None:
    assert evaluate(folder, *more) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count('\n') == 1


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('near: {pth: [a]}', "near: ProtocolConfig: unknown key 'pth'"),
        ('near: 5', 'near: expected a mapping of keys to values, found 5'),
        ('near: {tolerance: x}', 'near: tolerance: expected'),
        ('near:', 'near: expected a mapping of keys to values, found nothing'),
        ('{}', 'expected protocols by name, found none'),
    ],
)
def test_a_bad_protocol_is_named_with_its_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / 'protocols.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf'protocols\.yaml: {sentence}'):
        read_protocols(path)


def test_our_protocols_on_the_real_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('GHOST_VPR_DATA', str(data_dir))
    found = {}
    for name, config in read_protocols(PROTOCOLS).items():
        protocol = open_protocol(name, config)
        without = int((protocol.truth.positives.counts() == 0).sum())
        found[name] = (len(protocol.queries), len(protocol.database), without)
    assert found['gsv_test'] == (88, 300, 0)
    assert found['gardens_left_right'] == found['gardens_right_left'] == (200, 200, 0)
    assert found['bgu_night_day_10m'][:2] == found['bgu_night_day_5m'][:2]
    assert found['bgu_night_day_10m'][2] < found['bgu_night_day_5m'][2] < 232
    assert os.environ['GHOST_VPR_DATA'] == str(data_dir)
