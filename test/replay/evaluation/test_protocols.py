"""How a user's images are divided into map and queries."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Frame, GeoPoint, Pose
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.config import EvaluationConfig
from ghost_vpr_ros.replay.evaluation.protocols import Division, divide
from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def frame(number: int, **known) -> Frame:
    return Frame(name=str(number), load=lambda: np.zeros((2, 2, 3), np.uint8), **known)


def divided(frames: list[Frame], max_images: int = 100) -> Division:
    return divide(ImageSource(frames, 'folder', 'here'), EvaluationConfig(), max_images)


def names(source: ImageSource) -> list[str]:
    return [frame.name for frame in source.frames]


def test_a_bare_folder_gives_every_second_image_to_the_map():
    division = divided([frame(i) for i in range(6)])
    assert names(division.database) == ['0', '2', '4']
    assert names(division.queries) == ['1', '3', '5']
    assert division.truth.positives.rows(1).tolist() == [1, 2]
    assert 'no positions, so every second image is the map' in division.sentence


def test_a_long_folder_is_thinned_and_reports_it():
    division = divided([frame(i) for i in range(40)], max_images=5)
    assert names(division.database) == ['0', '8', '16', '24', '32']
    assert names(division.queries) == ['4', '12', '20', '28', '36']
    assert division.truth.positives.counts().min() >= 1
    assert '10 of 40 images are used' in division.sentence


def test_roles_of_a_manifest_are_kept():
    roles = ['database', 'query', 'database', 'query', '']
    frames = [
        frame(i, geo=GeoPoint(52, 0), attributes={'role': role}) for i, role in enumerate(roles)
    ]
    division = divided(frames)
    assert names(division.database) == ['0', '2']
    assert names(division.queries) == ['1', '3']
    assert 'by the roles in the manifest' in division.sentence


def test_of_several_splits_the_test_part_is_used():
    frames = [
        frame(i, geo=GeoPoint(52, 0), attributes={'split': split, 'role': role})
        for i, (split, role) in enumerate(
            [('val', 'database'), ('test', 'database'), ('test', 'query'), ('train', '')]
        )
    ]
    division = divided(frames)
    assert (names(division.database), names(division.queries)) == (['1'], ['2'])


def test_positions_alternate_and_a_panorama_stays_together():
    frames = [
        frame(i, geo=GeoPoint(52 + 1e-5 * (i // 2), 0), panorama=str(i // 2)) for i in range(8)
    ]
    division = divided(frames)
    assert names(division.database) == ['0', '1', '4', '5']
    assert names(division.queries) == ['2', '3', '6', '7']
    assert division.truth.protocol['ground_truth'] == 'position'


def test_metric_positions_count_as_positions():
    division = divided([frame(i, pose=Pose(np.array([5.0 * i, 0, 0]))) for i in range(4)])
    assert 'every second position' in division.sentence


def test_too_few_images_are_refused():
    with pytest.raises(SourceError, match='at least 4 images'):
        divided([frame(i) for i in range(3)])


def test_positions_that_are_far_apart_have_nothing_to_find():
    with pytest.raises(SourceError, match='no query has its place in the map'):
        divided([frame(i, geo=GeoPoint(50 + i, 0)) for i in range(4)])
