"""Learning RootSIFT-VLAD: the command, what it learns from, and its use in an evaluation."""

from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.model.any_model import open_any_model
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.training.tiny_places import write_places
from training import evaluate
from training.rootsift import main


@pytest.fixture(scope='module')
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_places(tmp_path_factory.mktemp('rootsift') / 'places')


def learn(places: Path, out: Path, *more: str) -> int:
    images = f'{places} split=train'
    small = ['--size-px', '64', '--clusters', '4', '--dim', '6']
    return main(['--images', images, '--out', str(out), *small, *more])


def test_the_descriptors_of_the_training_images_are_white(places, tmp_path):
    """Before the unit norm: mean 0 and variance 1 along each of the D directions."""
    assert learn(places, tmp_path / 'file') == 0
    model = open_any_model(tmp_path / 'file')
    frames = open_source(places, where={'split': 'train'}).frames
    inputs = [pixel_batch(f.load(), model.preprocessing) for f in frames]
    with torch.no_grad():
        raw = torch.cat([model.describe_unwhitened(each) for each in inputs])
        white = (raw - model.whitening.mean) @ model.whitening.projection.T
    np.testing.assert_allclose(white.mean(dim=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(white.T @ white / (len(frames) - 1), np.eye(6), atol=1e-2)
    assert f'learned on {len(frames)} images of {places} split=train, seed 0' in model.provenance


def test_the_centres_are_those_of_k_means(places, tmp_path):
    learn(places, tmp_path / 'file')
    model = open_any_model(tmp_path / 'file')
    frames = open_source(places, where={'split': 'train'}).frames
    inputs = [pixel_batch(f.load(), model.preprocessing) for f in frames]
    parts = [model.feature_map(each)[0].reshape(128, -1).T for each in inputs]
    features = np.ascontiguousarray(np.concatenate(parts))

    def loss(centres: np.ndarray) -> float:
        index = faiss.IndexFlatL2(128)
        index.add(centres)
        return float(index.search(features, 1)[0].mean())

    own = faiss.Kmeans(128, 4, niter=25, seed=5)
    own.train(features)
    assert loss(model.centres.detach().numpy()) < 1.05 * loss(own.centroids)


def test_the_same_seed_gives_the_same_file(places, tmp_path):
    for name, seed in (('a', '0'), ('b', '0'), ('c', '1')):
        learn(places, tmp_path / name, '--seed', seed)
    first, again, other = (open_any_model(tmp_path / name).model_hash for name in 'abc')
    assert first == again != other


def test_protocols_measure_it(places, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('GHOST_VPR_DATA', str(places))
    learn(places, tmp_path / 'file')
    protocols = tmp_path / 'protocols.yaml'
    protocols.write_text('near: {path: [$GHOST_VPR_DATA], split: val}\n')
    capsys.readouterr()
    options = ['--weights', str(tmp_path / 'file'), '--protocols', str(protocols)]
    assert evaluate.main([*options, '--dims', '3', '6']) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    # Two views of a place differ by noise only.
    assert all('| near | ' in row and ' | 100.0 | 4 | 4 |' in row for row in rows)
    assert len(rows) == 2


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (('--dim', '40'), 'expected descriptors that span at least D = 40'),
        (('--clusters', '2000'), 'expected at least K = 2000 local features'),
        (('--out', 'absent/file'), 'the folder cannot be written'),
    ],
)
def test_what_cannot_be_learned_is_one_sentence(places, tmp_path, capsys, more, sentence):
    assert learn(places, tmp_path / 'file', *more) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count('\n') == 1
