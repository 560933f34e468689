from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from test.training.tiny_places import METRES_PER_DEGREE, write_places
from training.datasets.data_config import DataConfig
from training.datasets.open_place_set import open_place_set
from training.refinement import place_sources
from training.refinement.moved_view import MotionConfig, moved_view
from training.refinement.place_sources import (
    Facades,
    PlaceSource,
    SameView,
    open_source_of_places,
)
from training.refinement.place_views import PlaceViews
from training.refinement.weak_pairs import PairConfig, mutual_pairs

STILL = MotionConfig(
    smallest_part=1.0, tilt=0.0, yaw_deg=0.0, pitch_deg=0.0, narrowest_deg=60.0, widest_deg=60.0
)


def opened(text: str, motion: MotionConfig = STILL) -> tuple[float, PlaceSource]:
    return open_source_of_places(
        text, motion, PairConfig(), lambda frames: np.eye(len(frames), dtype=np.float32)
    )


def write_panoramas(root: Path, norths_m: list[float]) -> Path:
    """Panoramas along a street; a red wall 12 m to the east of the first, all else is grey."""
    root.mkdir()
    lines = ['image,panorama,latitude,longitude,heading_deg']
    for number, north_m in enumerate(norths_m):
        image = np.full((180, 360, 3), 128, np.uint8)
        middle = np.degrees(np.arctan2(12.0, -north_m))
        image[:, int(180 + middle) - 8 : int(180 + middle) + 8] = (0, 0, 255)
        assert cv2.imwrite(str(root / f'{number}.png'), image)
        lines.append(f'{number}.png,{number},{50.0 + north_m / METRES_PER_DEGREE:.9f},4.0,0')
    (root / 'manifest.csv').write_text('\n'.join(lines) + '\n')
    return root


def test_a_facade_is_in_the_middle_of_the_views_from_all_stands(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(place_sources, 'FACADE_M', (12.0, 12.0))
    monkeypatch.setattr(place_sources, 'SPREAD_DEG', 0.0)
    root = write_panoramas(tmp_path / 'street', [0.0, 6.0, -5.0, 40.0])
    source = Facades(open_place_set(DataConfig(path=(str(root),))), STILL)
    assert source.positions_m.shape == (32, 2)
    east = 2  # Of eight headings, of the first panorama.
    views = source.views(east, np.random.default_rng(0), 3, 81)
    assert all((view[40, 40] == (255, 0, 0)).all() for view in views)
    assert not np.array_equal(views[1], views[2])
    # The panorama 40 m away does not take part: after three stands the first one comes again.
    assert np.array_equal(source.views(east, np.random.default_rng(0), 4, 81)[3], views[0])


def test_photos_of_one_column_are_one_place(tmp_path: Path) -> None:
    root = write_places(tmp_path / 'places', 4)
    rows = (root / 'manifest.csv').read_text().split()
    named = [f'{rows[0]},camera'] + [f'{row},{row[:2]}' for row in rows[1:]]
    (root / 'manifest.csv').write_text('\n'.join(named) + '\n')
    weight, source = opened(f'2.5 same:camera {root}')
    assert weight == 2.5 and len(source.positions_m) == 4
    first, second, third = source.views(1, np.random.default_rng(0), 3, 64)
    assert not np.array_equal(first, second)
    assert np.array_equal(third, first) or np.array_equal(third, second)


def test_every_photo_is_a_place_and_a_view_at_rest_is_the_photo(tmp_path: Path) -> None:
    root = write_places(tmp_path / 'places', 2)
    _, source = opened(f'1 photos {root}')
    assert len(source.positions_m) == 4 and np.isnan(source.positions_m).all()
    (view,) = source.views(0, np.random.default_rng(0), 1, 64)
    image = cv2.cvtColor(cv2.imread(str(root / '00_0.png')), cv2.COLOR_BGR2RGB)
    assert np.abs(view.astype(int) - image).max() <= 1


def test_moved_views_overlap_and_are_not_mirrored() -> None:
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (150, 1, 3))
    for seed in range(20):
        view = moved_view(ramp, 64, np.random.default_rng(seed), MotionConfig())
        assert view.shape == (64, 64, 3)
        assert view[32, 60, 0] > view[32, 4, 0] + 50


def test_a_pair_is_the_most_alike_from_both_sides(tmp_path: Path) -> None:
    root = write_places(tmp_path / 'places', 3)
    places = open_place_set(DataConfig(path=(str(root),)))
    descriptors = np.zeros((6, 3), np.float32)
    descriptors[np.arange(6), [0, 0, 1, 1, 2, 0]] = 1.0
    found = mutual_pairs(places, descriptors, PairConfig())
    # The third place's two photos are not alike, but within reach there is nothing more alike.
    assert found.tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(SourceError, match='within 2 m, found none'):
        mutual_pairs(places, descriptors, PairConfig(distance_m=2.0))


def test_pairs_are_places_with_positions(tmp_path: Path) -> None:
    root = write_places(tmp_path / 'places', 3)
    _, source = opened(f'1 pairs {root} queries:role=query database:role=database')
    assert isinstance(source, SameView)
    assert len(source.positions_m) == 3 and np.isfinite(source.positions_m).all()


@pytest.mark.parametrize(
    'text', ['', '1', '1 photos', 'photos x', '-1 photos x', '1 walls x', '1 photos x y']
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match='WEIGHT KIND PATH'):
        opened(text)


def test_a_column_that_no_photos_share_is_refused(tmp_path: Path) -> None:
    root = write_places(tmp_path / 'places', 2)
    with pytest.raises(SourceError, match="a column 'camera'"):
        opened(f'1 same:camera {root}')


def test_groups_follow_from_the_seed_and_near_places_are_not_different(tmp_path: Path) -> None:
    root = write_places(tmp_path / 'places', 3)
    sources = [opened(f'3 pairs {root} queries:role=query database:role=database')]
    sources.append(opened(f'1 photos {root}'))

    def views(seed: int) -> PlaceViews:
        return PlaceViews(sources, 40, 2, PreprocessingConfig(width_px=32, height_px=32), seed, '')

    one, again, other = views(0), views(0), views(1)
    assert np.array_equal(one.place, again.place) and not np.array_equal(one.place, other.place)
    np.testing.assert_array_equal(one.clean_views(1, 8), again.clean_views(1, 8))
    assert one.clean_views(1, 8).shape == (8, 32, 32, 3)
    # Blocks that cut groups join to the same views.
    whole, parts = one.clean_views(0, 80), [one.clean_views(block, 7) for block in range(12)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    groups = np.array([int(np.flatnonzero(one.place == place)[0]) for place in (0, 1, 3)])
    assert one.different(groups, groups, 40.0).tolist() == (~np.eye(3, dtype=bool)).tolist()
    # Places 0 and 1 are 100 m apart and of one source, the third is of another source.
    near = one.different(groups[:2], groups, 150.0)
    assert near.tolist() == [[False, False, True], [False, False, True]]
