"""Fine-tuning: what is held out, what is learned, and that nothing worse is ever kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import model_from_bytes, model_to_bytes
from ghost_vpr_ros.replay.config import ProjectionConfig, TupleConfig
from ghost_vpr_ros.replay.fine_tuning.fitting import Outcome, divided
from ghost_vpr_ros.replay.fine_tuning.fitting import finetune as fitted_to
from ghost_vpr_ros.replay.fine_tuning.projection import ranking_loss, train_projection
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.places.positives import weak_labels
from test.core.model.tiny_model import tiny_model

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


def network_with_whitening() -> VprModel:
    """Of 64 numbers before the whitening and 32 behind it, rounded as a file has them."""
    model = tiny_model(images=40, reduced_channels=16, descriptor_dim=32)
    model.whitening.set_projection(torch.zeros(64), torch.from_numpy(rotation()[:32]))
    return model_from_bytes(model_to_bytes(model, half=True), 'test')


def finetune(
    model: VprModel, places: PlaceSet, config: ProjectionConfig
) -> tuple[VprModel, Outcome]:
    return fitted_to(model, divided(places, TUPLES), disturbed_descriptors(), config)


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
    tuples = replace(TUPLES, negative_distance_m=25.0)
    parts = divided(line_of_places(), tuples)
    x = line_of_places().positions_m[:, 0]
    gap = np.abs(x[parts.judged.queries][:, None] - x[parts.labels.database][None]).min()
    assert gap >= 25.0
    assert len(parts.judged.queries) == pytest.approx(0.3 * PLACES * VIEWS, abs=VIEWS)


def test_images_of_places_seen_once_are_found_among_but_not_searched_for() -> None:
    """Every fifth place has several images: so few queries with a positive do not matter."""
    places = line_of_places()
    place = np.repeat(np.arange(PLACES), VIEWS)
    is_first = np.tile(np.arange(VIEWS), PLACES) == 0
    kept = np.flatnonzero((place % 5 == 0) | is_first)
    parts = divided(replace(places, queries=kept, database=kept), TUPLES)
    assert set(place[parts.labels.queries] % 5) == {0}
    assert set(place[parts.judged.queries] % 5) == {0}
    assert len(parts.judged.database) > len(parts.judged.queries)


def test_a_projection_learns_to_leave_out_what_light_changes() -> None:
    model = network_with_whitening()
    config = ProjectionConfig(steps=150, learning_rate=0.05, anchor=0.01)
    result, outcome = finetune(model, line_of_places(), config)
    assert outcome.is_better
    assert outcome.after > outcome.before + 20.0
    assert not torch.equal(result.whitening.projection, model.whitening.projection)
    assert 'projection trained on' in result.provenance
    assert 'is kept' in outcome.sentence()


def test_weights_stay_where_nothing_gets_better() -> None:
    model = network_with_whitening()
    config = ProjectionConfig(steps=2, learning_rate=0.0)
    result, outcome = finetune(model, line_of_places(), config)
    assert not outcome.is_better
    assert (outcome.gained, outcome.lost) == (0, 0)
    assert torch.equal(result.whitening.projection, model.whitening.projection)
    assert result.provenance == model.provenance
    assert 'as they were' in outcome.sentence()


def test_the_anchor_keeps_the_projection_near_the_whitening() -> None:
    descriptors = disturbed_descriptors()
    whitening = network_with_whitening().whitening
    labels = weak_labels(line_of_places(), TUPLES)
    far = []
    for anchor in (0.0, 1e4):
        config = ProjectionConfig(steps=40, learning_rate=0.05, anchor=anchor)
        trained = train_projection(whitening, descriptors, labels, config)
        far.append(float((trained.projection - whitening.projection).detach().norm()))
    assert far[1] < 0.2 * far[0]


def test_what_is_kept_is_what_its_file_holds() -> None:
    config = ProjectionConfig(steps=150, learning_rate=0.05, anchor=0.01)
    result, outcome = finetune(network_with_whitening(), line_of_places(), config)
    assert outcome.is_better
    stored = model_from_bytes(model_to_bytes(result), 'test')
    assert stored.model_hash == result.model_hash
    assert len(model_to_bytes(result)) == len(model_to_bytes(result, half=True))


def test_what_cannot_be_trained_on_is_refused() -> None:
    crowded = line_of_places()
    crowded.positions_m[:] = 0.0
    with pytest.raises(SourceError, match='more than 16 m apart'):
        divided(crowded, TUPLES)
    few = np.arange(3)
    with pytest.raises(SourceError, match='at least 4 images of at least two places, found 3'):
        divided(replace(line_of_places(), queries=few, database=few), TUPLES)
    once = np.arange(0, PLACES * VIEWS, VIEWS)
    with pytest.raises(SourceError, match='visited more than once, found none of 40 images with'):
        divided(replace(line_of_places(), queries=once, database=once), TUPLES)
    one_visit = np.arange(PLACES * VIEWS) // 2
    drive = replace(line_of_places(), visit=one_visit, visit_gap=30)
    with pytest.raises(SourceError, match=r'another one of another visit within 3 m .*than 30 s'):
        divided(drive, TUPLES)


def test_weights_without_whitening_are_refused() -> None:
    with pytest.raises(WeightsError, match='with whitening'):
        finetune(tiny_model(), line_of_places(), ProjectionConfig())
