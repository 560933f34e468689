"""Fine-tuning: what is held out, what is learned, and that nothing worse is ever kept."""

import fcntl
from pathlib import Path

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.weights import load_model, save_model
from ghost_vpr_ros.core.model.whitening import Whitening
from test.core.model.tiny_model import tiny_model
from test.training.tiny_places import write_places
from training.datasets.place_set import NO_PLACE, PlaceSet
from training.datasets.positives import TupleConfig, weak_labels
from training.finetune import finetune, held_out, main
from training.head.trained_projection import ProjectionConfig, ranking_loss, train_projection

TUPLES = TupleConfig(positive_distance_m=3.0, negative_distance_m=8.0)
PLACES, VIEWS = 40, 4


def line_of_places() -> PlaceSet:
    """40 places, 10 m apart in a line, each in 4 images within 1 m."""
    count = PLACES * VIEWS
    positions = np.zeros((count, 2))
    positions[:, 0] = np.repeat(10.0 * np.arange(PLACES), VIEWS)
    positions[:, 1] = np.tile(np.linspace(0.0, 1.0, VIEWS), PLACES)
    rows = np.arange(count)
    return PlaceSet(
        name='line',
        frames=[None] * count,
        positions_m=positions,
        queries=rows,
        database=rows,
        panorama=np.full(count, NO_PLACE),
        heading_deg=np.full(count, np.nan),
        stamp_ns=np.zeros(count, np.int64),
    )


def disturbed_descriptors() -> np.ndarray:
    """(160, 64): the place in 40 directions, and light that is louder in the other 24."""
    rng = np.random.default_rng(0)
    place = np.repeat(rng.standard_normal((PLACES, 40)), VIEWS, axis=0)
    light = 3.0 * rng.standard_normal((PLACES * VIEWS, 24))
    raw = np.concatenate([place, light], axis=1)
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def network_with_whitening(descriptors: np.ndarray):
    model = tiny_model(reduced_channels=8)
    model.whitening = Whitening(64, 32)
    model.whitening.set_projection(torch.zeros(64), torch.from_numpy(rotation()[:32]))
    return model


def rotation() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(1).standard_normal((64, 64)))[0].astype('float32')


def test_the_loss_counts_negatives_that_are_nearer_than_the_best_positive() -> None:
    config = ProjectionConfig(temperature=0.1)
    similarity = torch.tensor([[0.9, 0.5, 0.8, 0.3]])
    positive = torch.tensor([[False, True, True, False]])
    negative = torch.tensor([[True, False, False, True]])
    expected = np.log(1.0 + np.exp((0.9 - 0.8) / 0.1) + np.exp((0.3 - 0.8) / 0.1))
    assert ranking_loss(similarity, positive, negative, config).item() == pytest.approx(expected)


def test_the_held_out_part_lies_beyond_a_margin() -> None:
    fitted, judged = held_out(line_of_places(), margin_m=25.0)
    x = line_of_places().positions_m[:, 0]
    gap = np.abs(x[judged.queries][:, None] - x[fitted.database][None]).min()
    assert gap >= 25.0
    assert len(judged.queries) == pytest.approx(0.3 * PLACES * VIEWS, abs=VIEWS)


def test_a_projection_learns_to_leave_out_what_light_changes() -> None:
    descriptors = disturbed_descriptors()
    model = network_with_whitening(descriptors)
    config = ProjectionConfig(steps=150, learning_rate=0.05, anchor=0.01)
    result, outcome = finetune(model, line_of_places(), descriptors, TUPLES, config)
    assert outcome.is_better
    assert outcome.after > outcome.before + 20.0
    assert not torch.equal(result.whitening.projection, model.whitening.projection)
    assert 'projection trained on' in result.provenance
    assert 'is kept' in outcome.sentence()


def test_weights_stay_where_nothing_gets_better() -> None:
    descriptors = disturbed_descriptors()
    model = network_with_whitening(descriptors)
    result, outcome = finetune(
        model, line_of_places(), descriptors, TUPLES, ProjectionConfig(steps=2, learning_rate=0.0)
    )
    assert not outcome.is_better
    assert (outcome.gained, outcome.lost) == (0, 0)
    assert torch.equal(result.whitening.projection, model.whitening.projection)
    assert result.provenance == model.provenance
    assert 'as they were' in outcome.sentence()


def test_the_anchor_keeps_the_projection_near_the_whitening() -> None:
    descriptors = disturbed_descriptors()
    whitening = network_with_whitening(descriptors).whitening
    labels = weak_labels(line_of_places(), TUPLES)
    far = []
    for anchor in (0.0, 1e4):
        config = ProjectionConfig(steps=40, learning_rate=0.05, anchor=anchor)
        trained = train_projection(whitening, descriptors, labels, config)
        far.append(float((trained.projection - whitening.projection).norm()))
    assert far[1] < 0.2 * far[0]


def test_one_place_and_weights_without_whitening_are_refused() -> None:
    descriptors = disturbed_descriptors()
    crowded = line_of_places()
    crowded.positions_m[:] = 0.0
    with pytest.raises(SourceError, match='more than 16 m apart'):
        finetune(
            network_with_whitening(descriptors), crowded, descriptors, TUPLES, ProjectionConfig()
        )
    with pytest.raises(WeightsError, match='with whitening'):
        finetune(tiny_model(), line_of_places(), descriptors, TUPLES, ProjectionConfig())


def test_the_command_writes_weights_and_states_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_places(tmp_path / 'places')
    save_model(tiny_model(descriptor_dim=6), tmp_path / 'start.safetensors')
    out = tmp_path / 'mine.safetensors'
    command = [str(tmp_path / 'places'), '--weights', str(tmp_path / 'start.safetensors')]
    distances = ['--positive-distance-m', '7', '--negative-distance-m', '8']
    assert main([*command, *distances, '--steps', '3', '--out', str(out)]) == 0
    assert 'recall@1' in capsys.readouterr().out
    assert load_model(out).config.descriptor_dim == 6
    assert main([*command, *distances, '--out', str(out)]) == 1
    assert 'exists already' in capsys.readouterr().err
    assert not list(tmp_path.glob('.*'))


def test_what_cannot_be_judged_is_refused_before_the_images_are_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_places(tmp_path / 'places')
    save_model(tiny_model(descriptor_dim=6), tmp_path / 'start.safetensors')
    monkeypatch.setattr('training.finetune.unwhitened_descriptors', None)
    command = [str(tmp_path / 'places'), '--weights', str(tmp_path / 'start.safetensors')]
    distances = ['--positive-distance-m', '7', '--negative-distance-m', '400']
    assert main([*command, *distances, '--out', str(tmp_path / 'mine.safetensors')]) == 1
    assert (
        'places (to train on): expected images of at least two places' in capsys.readouterr().err
    )
    assert not list(tmp_path.glob('.*'))


def test_an_interrupted_run_goes_on_with_its_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_places(tmp_path / 'places')
    save_model(tiny_model(descriptor_dim=6), tmp_path / 'start.safetensors')
    out = tmp_path / 'mine.safetensors'
    command = [str(tmp_path / 'places'), '--weights', str(tmp_path / 'start.safetensors')]
    command += ['--positive-distance-m', '7', '--negative-distance-m', '8', '--out', str(out)]

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('training.finetune.train_projection', interrupt)
        assert main([*command, '--steps', '3']) == 130
    assert list(tmp_path.glob('.*')) == [tmp_path / '.mine.safetensors.finetune']
    # Nothing is described again.
    monkeypatch.setattr('training.head.unwhitened.Describer.__call__', interrupt)
    assert main([*command, '--steps', '3']) == 0
    assert out.is_file() and not list(tmp_path.glob('.*'))


def test_two_runs_do_not_write_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / '.mine.safetensors.finetune'
    folder.mkdir()
    with (folder / 'lock').open('wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main([str(tmp_path), '--out', str(tmp_path / 'mine.safetensors')]) == 1
    assert 'another run is writing it' in capsys.readouterr().err
