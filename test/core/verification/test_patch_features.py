"""The feature map as local features: on hand-made maps with planted shifts, and from a network."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.datatypes import Frame, GeoPoint
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.map.cells import StoredCells
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.weights import model_to_bytes
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier
from ghost_vpr_ros.core.verification.patch_features import (
    PatchExtractor,
    match_cells,
)
from ghost_vpr_ros.core.verification.two_view import consistent_matches
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from test.core.model.tiny_model import pictures
from test.core.two_views import candidate

CONFIG = VerificationConfig(features='network', working_width_px=320)
SIDE = 14
PREPROCESSING = PreprocessingConfig(32, 32)


class GivenMaps:
    """An engine whose n-th feature map is the n-th of a list."""

    name, model_hash, descriptor_dim = 'given', 'ab' * 32, 2

    def __init__(self, *maps: np.ndarray) -> None:
        self._maps = iter(maps)

    def describe(self, batch: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def feature_map(self, batch: np.ndarray) -> np.ndarray:
        return next(self._maps)[np.newaxis].astype(np.float32)

    def describe_with_map(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.ones((1, 2), np.float32), self.feature_map(batch)

    def close(self) -> None:
        """Nothing to free."""


def world(seed: int = 0) -> np.ndarray:
    """(16, 20, 20) of independent cells, from which views are cut."""
    return np.random.default_rng(seed).standard_normal((16, 20, 20))


def cut(cells: np.ndarray, row: int = 0, column: int = 0) -> np.ndarray:
    return cells[:, row : row + SIDE, column : column + SIDE]


def extractor(*maps: np.ndarray) -> PatchExtractor:
    return PatchExtractor(GivenMaps(*maps), PREPROCESSING, CONFIG)


def image(width: int = 280, height: int = 280) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def verify(query: np.ndarray, keyframe: np.ndarray):
    verifier = GeometricVerifier(lambda _: image(), None, CONFIG, extractor(query, keyframe))
    return verifier.verify(image(), [candidate()])[0]


def test_points_are_the_centres_of_the_cells_row_by_row():
    features = extractor(np.ones((2, 3, 4)))(image(64, 48))
    # Cells of 16 x 16 pixels: the first one covers the pixels 0 .. 15.
    np.testing.assert_allclose(features.points[0], (7.5, 7.5))
    np.testing.assert_allclose(features.points[1], (23.5, 7.5))
    np.testing.assert_allclose(features.points[-1], (55.5, 39.5))
    assert features.cell_px == 16.0


def test_points_are_pixels_of_the_image_at_working_size():
    features = extractor(np.ones((2, 4, 4)))(image(640, 240))
    assert (features.width, features.height) == (320, 120)
    np.testing.assert_allclose(features.points[-1], (279.5, 104.5))
    assert features.cell_px == 80.0


def test_a_descriptor_is_its_cell_with_unit_norm():
    cells = world()[:, :2, :3]
    cells[:, 0, 0] = 0.0
    found = extractor(cells)(image()).descriptors
    expected = cells[:, 1, 2] / np.linalg.norm(cells[:, 1, 2])
    np.testing.assert_allclose(found[5], expected, atol=1e-6)
    np.testing.assert_array_equal(found[0], 0.0)


def test_matches_of_cells_are_mutual_nearest_neighbours_that_stand_out():
    a, b = world(1)[:5, :6, :7], world(2)[:5, :9, :8]
    extract = extractor(a, b)
    a, b = extract(image()), extract(image())
    similarity = a.descriptors @ b.descriptors.T
    expected = [
        (i, j)
        for i in range(len(a))
        for j in range(len(b))
        if similarity[i, j] == max(similarity[i]) == max(similarity[:, j])
        and similarity[i, j] - max_far(similarity[i].reshape(9, 8), j) > 0.03
    ]
    assert len(expected) > 5
    points, finer = match_cells(a, b)
    np.testing.assert_array_equal(points, a.points[[i for i, _ in expected]])
    offsets = np.abs(finer - b.points[[j for _, j in expected]])
    assert (offsets <= np.array([280 / 8, 280 / 9]) / 2 + 1e-9).all()
    assert offsets.any()


def max_far(similarity: np.ndarray, cell: int) -> float:
    """The highest of a grid, more than two cells away."""
    rows, columns = similarity.shape
    y, x = divmod(cell, columns)
    return max(
        similarity[row, column]
        for row in range(rows)
        for column in range(columns)
        if max(abs(row - y), abs(column - x)) > 2
    )


def smooth(shift: float = 0.0) -> np.ndarray:
    """(32, 14, 14): numbers that change slowly along x, moved to the left by a part of a cell."""
    x, channel = np.arange(SIDE) + shift, np.arange(32)[:, np.newaxis]
    row = np.cos(0.35 * x * (1 + channel % 4) + channel)
    rows = np.cos(0.4 * np.arange(SIDE) * (1 + channel % 3) + 2.0 * channel)
    return np.concatenate(
        [
            np.repeat(row[:, np.newaxis], SIDE, axis=1),
            np.repeat(rows[..., np.newaxis], SIDE, axis=2),
        ]
    )


def test_a_shift_by_a_part_of_a_cell_is_found():
    extract = extractor(smooth(0.0), smooth(0.3))
    a, b = match_cells(extract(image()), extract(image()))
    assert len(a) > 100
    # 0.3 of a cell 20 pixels wide.
    assert np.median((a - b)[:, 0]) == pytest.approx(6.0, abs=1.0)
    assert np.median((a - b)[:, 1]) == pytest.approx(0.0, abs=0.1)


def test_nothing_is_matched_where_nothing_stands_out():
    extract = extractor(np.ones((2, 9, 9)), np.ones((2, 9, 9)))
    assert [each.shape for each in match_cells(extract(image()), extract(image()))] == [(0, 2)] * 2


def test_a_planted_shift_is_found_cell_by_cell():
    cells = world()
    extract = extractor(cut(cells, 0, 0), cut(cells, 1, 2))
    query, keyframe = match_cells(extract(image()), extract(image()))
    keep = consistent_matches(query, keyframe, 5.0)
    # A row and two columns are out of sight; cells are 20 pixels wide.
    is_planted = np.abs(query - keyframe - (40.0, 20.0)).max(axis=1) < 10.0
    assert is_planted.sum() == (SIDE - 1) * (SIDE - 2)
    assert keep[is_planted].mean() > 0.9


def test_the_same_place_is_verified_without_a_pose():
    cells = world()
    found = verify(cut(cells), cut(cells, 1, 2))
    assert found.is_verified
    assert found.likelihood_ratio > 1.0
    assert (found.relative, found.pose) == (None, None)


@pytest.mark.parametrize(
    'query', [cut(world(5)), np.ones((16, SIDE, SIDE)), np.zeros((16, SIDE, SIDE))]
)
def test_what_does_not_show_the_place_is_not_verified(query):
    found = verify(query, cut(world()))
    assert not found.is_verified
    assert found.candidate.inliers < 20
    assert found.likelihood_ratio < 1.0


def test_a_verifier_by_network_needs_one():
    with pytest.raises(ConfigError, match='network'):
        GeometricVerifier(lambda _: None, None, CONFIG)


@pytest.fixture(scope='module')
def shown() -> list[np.ndarray]:
    """Six places of coloured blocks, RGB (256, 256, 3)."""
    return [np.kron(p, np.ones((4, 4, 1), np.uint8)) for p in pictures(6, seed=20)]


@pytest.fixture
def recognizer(tmp_path, shown):
    """Three views of each place, 111 m apart, and a network with 8 x 8 cells."""
    settings = ModelConfig(crop_channels=160, clusters=4)
    model = build_untrained(settings, PreprocessingConfig(256, 256), shown, 0)
    views = [(p * (1.0 - 0.04 * n)).astype(np.uint8) for p in shown for n in range(3)]
    frames = [Frame(str(n), lambda view=view: view) for n, view in enumerate(views)]
    rows = extract_descriptors(frames, model, create_engine(model))
    content = (model.descriptor_dim, model.preprocessing, model_to_bytes(model))
    with PlaceMap.create(tmp_path / 'map', model.model_hash, *content) as place_map:
        session = place_map.add_session('walk')
        for number, row in enumerate(rows):
            geo = GeoPoint(52.2 + number // 3 * 1e-3 + number % 3 * 1e-5, 0.12)
            jpeg = encode_jpeg(views[number])
            place_map.add(session, number, row, geo=geo, view_jpeg=jpeg)
    config = RecognizerConfig(verify_features='network', verify_from=0.0)
    with PlaceRecognizer.open(tmp_path / 'map', config=config) as opened:
        yield opened


def test_a_recogniser_verifies_by_its_own_network(recognizer, shown):
    found = recognizer.recognize(shown[3], 0)
    assert found.candidates[0].keyframe.keyframe_id == 10
    assert 48 <= found.candidates[0].inliers <= 64
    elsewhere = recognizer.recognize(pictures(1, seed=77)[0], 0).candidates
    assert max(each.inliers for each in elsewhere) < 24


def test_the_cells_of_an_image_are_kept_until_another_is_described():
    extract, shown = extractor(np.ones((2, 3, 4)), np.zeros((2, 3, 4))), image()
    assert extract.describe(shown, shown[np.newaxis]).shape == (1, 2)
    assert extract(shown).descriptors.all()
    assert extract(shown).descriptors.all()
    extract.describe(shown, shown[np.newaxis])
    assert not extract(shown).descriptors.any()


def test_the_cells_of_another_image_are_not_those_that_were_described():
    extract, shown = extractor(np.ones((2, 3, 4)), np.zeros((2, 3, 4))), image()
    extract.describe(shown, shown[np.newaxis])
    assert not extract(shown.copy()).descriptors.any()


def test_stored_cells_verify_without_a_view():
    cells = world()
    kept = StoredCells.unpacked(StoredCells(cut(cells, 1, 2), 280, 280).packed())
    extract = extractor(cut(cells))
    without = GeometricVerifier(lambda _: None, None, CONFIG, extract)
    assert without.verify(image(), [candidate()])[0].candidate.inliers == -1
    extract = extractor(cut(cells))
    verifier = GeometricVerifier(lambda _: None, None, CONFIG, extract, lambda _: kept)
    found = verifier.verify(image(), [candidate()])[0]
    expected = verify(cut(cells), cut(cells, 1, 2))
    assert found.is_verified
    assert abs(found.candidate.inliers - expected.candidate.inliers) <= 3


def test_a_recogniser_runs_the_network_once_for_descriptor_and_cells(recognizer, shown):
    # The views of the candidates are described and remembered by then.
    recognizer.recognize(shown[3], 0)
    recognizer.reset()
    engine, runs = recognizer._engine, []
    for name in ('describe', 'feature_map', 'describe_with_map'):
        run = getattr(engine, name)
        setattr(engine, name, lambda pixels, run=run, name=name: runs.append(name) or run(pixels))
    assert recognizer.recognize(shown[3], 0).candidates[0].inliers > 40
    assert runs == ['describe_with_map']


def test_other_features_take_effect_with_the_next_image(recognizer, shown):
    by_network = recognizer.recognize(shown[3], 0).candidates[0].inliers
    recognizer.config = replace(recognizer.config, verify_features='sift')
    by_sift = recognizer.recognize(shown[3], 0).candidates[0].inliers
    # The map has 64 cells; SIFT finds more points than that in these blocks.
    assert by_network <= 64 < by_sift
