"""Evaluations with given rankings, for the tests of judging and reporting."""

from collections.abc import Sequence

import numpy as np

from ghost_vpr_ros.core.datatypes import Frame, Pose
from ghost_vpr_ros.replay.evaluation.evaluator import Evaluation
from ghost_vpr_ros.replay.evaluation.ground_truth import by_position


def frame(name: str, x: float = 0.0, **known) -> Frame:
    pixels = np.full((6, 8, 3), sum(name.encode()) % 200, np.uint8)
    return Frame(name=name, load=lambda: pixels, pose=Pose(np.array([x, 0.0, 0.0])), **known)


def evaluation_of(
    database_x: Sequence[float],
    query_x: Sequence[float],
    rows: Sequence[Sequence[int]],
    similarity: Sequence[Sequence[float]],
) -> Evaluation:
    """Frames on a line; positives within 10 m; -1 and NaN fill a short ranking up."""
    database = [frame(f'd{i}', x) for i, x in enumerate(database_x)]
    queries = [frame(f'q{i}', x, stamp_ns=i) for i, x in enumerate(query_x)]
    truth = by_position(queries, database, 10.0)
    times = {'search': [1.0] * len(queries)}
    return Evaluation(
        database, queries, truth, np.array(rows), np.array(similarity, np.float32), times
    )
