"""Re-ranking: the order of a query's candidates, on images whose patches are given."""

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.replay.config import PatchNetVladConfig, RerankConfig
from ghost_vpr_ros.replay.evaluation.evaluator import evaluate
from ghost_vpr_ros.replay.evaluation.ground_truth import by_index
from ghost_vpr_ros.replay.evaluation.pairs import NO_ROW
from ghost_vpr_ros.replay.evaluation.patch_netvlad import PatchDescriber, compare
from ghost_vpr_ros.replay.evaluation.reranking import PatchReranker
from test.core.model.tiny_model import pictures

PATCHES = PatchNetVladConfig(patch_sizes=(1, 2, 4), patch_map_side=0)


@pytest.fixture(scope='module')
def model():
    """A network with 8 x 8 cells."""
    settings = ModelConfig(crop_channels=160, clusters=4)
    return build_untrained(settings, PreprocessingConfig(256, 256), shown(), 0)


def shown() -> list[np.ndarray]:
    return [np.kron(p, np.ones((4, 4, 1), np.uint8)) for p in pictures(4, seed=20)]


def frames(gain: float = 1.0) -> list[Frame]:
    images = [(p * gain).astype(np.uint8) for p in shown()]
    return [Frame(str(n), lambda image=image: image) for n, image in enumerate(images)]


def reranker(model, count: int, **patches) -> PatchReranker:
    config = RerankConfig(rerank='patch-netvlad', rerank_candidates=count)
    return PatchReranker(model, create_engine(model), config, PATCHES)


def test_rows_come_in_the_order_of_their_scores(model):
    stage_ms: dict[str, list[float]] = {}
    rows = np.array([[1, 0, 2, 3], [0, 3, 1, NO_ROW]])
    queries = frames(0.9)[2:]
    ordered, scores = reranker(model, 4).rerank(queries, frames(), rows, stage_ms)

    describe = PatchDescriber(model, create_engine(model), PATCHES)
    known = [describe(frame.load()) for frame in frames()]
    for query, frame in enumerate(queries):
        patches = describe(frame.load())
        chosen = [row for row in rows[query] if row != NO_ROW]
        score = {row: compare(patches, known[row], 'ransac').score for row in chosen}
        expected = sorted(chosen, key=lambda row: -score[row])
        assert ordered[query, : len(chosen)].tolist() == expected
        np.testing.assert_allclose(scores[query, : len(chosen)], [score[r] for r in expected])
    assert ordered[0, 0] == 2
    assert ordered[1, 3] == NO_ROW
    assert np.isnan(scores[1, 3])
    assert {stage: len(taken) for stage, taken in stage_ms.items()} == {'patches': 2, 'rerank': 2}


def test_later_rows_stay_where_they_were(model):
    rows = np.array([[1, 0, 2, 3]])
    ordered, scores = reranker(model, 2).rerank(frames(0.9)[2:3], frames(), rows, {})
    assert sorted(ordered[0, :2]) == [0, 1]
    assert ordered[0, 2:].tolist() == [2, 3]
    assert np.isnan(scores[0, 2:]).all()


def test_equal_scores_stay_in_their_order(model):
    grey = Frame('grey', lambda: np.full((256, 256, 3), 90, np.uint8))
    same = [Frame(str(n), frames()[0].load) for n in range(3)]
    ordered, _ = reranker(model, 3).rerank([grey], same, np.array([[2, 0, 1]]), {})
    assert ordered.tolist() == [[2, 0, 1]]


class Reversing:
    """Turns every ranking round."""

    num_candidates = 30

    def rerank(self, queries, database, rows, stage_ms):
        self.width = rows.shape[1]
        return rows[:, ::-1].copy(), np.arange(rows.size, 0, -1.0, np.float32).reshape(rows.shape)


def test_an_evaluation_keeps_what_was_retrieved(model):
    turned = Reversing()
    database, queries = frames(), frames(0.9)
    engine = create_engine(model)
    truth = by_index(queries, database, 0)
    plain = evaluate(database, queries, truth, model, engine)
    found = evaluate(database, queries, truth, model, engine, reranker=turned)
    np.testing.assert_array_equal(found.retrieved, plain.rows)
    np.testing.assert_array_equal(found.rows, plain.rows[:, ::-1])
    before, after = (found.metrics()[k] for k in ('recall_before_reranking', 'recall'))
    assert before == plain.metrics()['recall']
    assert (before['1'], after['1']) == (100.0, 0.0)
    assert 'recall_before_reranking' not in plain.metrics()
