"""The evaluation's figures against hand-made rankings, and its ranking against brute force."""

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.replay.evaluation.evaluator import evaluate
from ghost_vpr_ros.replay.evaluation.ground_truth import by_index
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW
from test.replay.evaluations import evaluation_of

NAN = float('nan')


class MeanColourEngine:
    """Describes an input by a unit vector at an angle that grows with its brightness."""

    name = 'mean colour'
    descriptor_dim = 2
    model_hash = 'none'

    def describe(self, pixels):
        angle = pixels.mean(axis=(1, 2, 3)) / 255
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    def close(self):
        """Nothing to free."""


@pytest.fixture(scope='module')
def model():
    preprocessing = PreprocessingConfig(32, 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return VprModel(ModelConfig(clusters=2, crop_channels=160), preprocessing)


def grey(level: int, panorama: str | None = None) -> Frame:
    pixels = np.full((32, 32, 3), level, np.uint8)
    return Frame(name=f'{level}', load=lambda: pixels, panorama=panorama)


def test_ranking_is_by_similarity(model):
    database = [grey(0), grey(100), grey(200)]
    queries = [grey(90), grey(190)]
    truth = by_index(queries, database, 0, [1, 2], [0, 1, 2])
    evaluation = evaluate(database, queries, truth, model, MeanColourEngine())
    assert evaluation.rows.tolist() == [[1, 0, 2], [2, 1, 0]]
    assert evaluation.recall()[1] == 100.0
    assert len(evaluation.stage_ms['describe']) == 2


def test_known_descriptors_give_the_same_ranking(model):
    database, queries = [grey(0), grey(100), grey(200)], [grey(90)]
    truth = by_index(queries, database, 0, [1])
    levels = np.array([0, 100, 200]) / 255
    descriptors = np.stack([np.cos(levels), np.sin(levels)], axis=1).astype(np.float32)
    evaluation = evaluate(
        database, queries, truth, model, MeanColourEngine(), descriptors=descriptors
    )
    assert evaluation.rows.tolist() == [[1, 0, 2]]


def test_items_of_the_querys_panorama_leave_no_gap_in_the_ranking(model):
    database = [grey(0), grey(100, 'p'), grey(200), grey(95, 'p')]
    queries = [grey(90, 'p'), grey(90)]
    truth = by_index(queries, database, 1)
    evaluation = evaluate(database, queries, truth, model, MeanColourEngine())
    assert evaluation.rows.tolist() == [[0, 2, NO_ROW, NO_ROW], [3, 1, 0, 2]]
    assert np.isnan(evaluation.similarity[0, 2:]).all()


def test_progress_counts_every_frame_once(model):
    database, queries = [grey(level) for level in range(10)], [grey(5)]
    seen = []
    truth = by_index(queries, database, 0)
    evaluate(database, queries, truth, model, MeanColourEngine(), progress=seen.append)
    assert sum(seen) == 11


def test_figures_of_a_hand_made_ranking():
    evaluation = evaluation_of(
        database_x=[0, 100, 200],
        query_x=[1, 101, 999],
        rows=[[0, 1], [2, 1], [0, 2]],
        similarity=[[0.9, 0.5], [0.8, 0.7], [0.7, 0.1]],
    )
    metrics = evaluation.metrics()
    assert metrics['recall'] == {'1': 50.0, '5': 100.0, '10': 100.0, '20': 100.0, '25': 100.0}
    assert metrics['num_queries_without_positives'] == 1
    assert metrics['average_precision'] == pytest.approx(0.5)
    assert metrics['recall_at_100_precision'] == pytest.approx(50.0)
    assert evaluation.first_positive_rank().tolist() == [1, 2, 0]


def test_a_query_without_any_candidate_is_no_answer():
    evaluation = evaluation_of([0], [1, 2], [[0], [NO_ROW]], [[0.5], [NAN]])
    assert evaluation.metrics()['recall']['1'] == 50.0
    assert evaluation.curve.precision.tolist() == [1.0]
