"""Patch-NetVLAD's lists: small ones with every mistake, and the real ones at full size."""

from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ConfigError, ImageError, SourceError
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.relations import positives_of
from test.training.datasets.small_images import names_of, opened, positives_by_name, write_images

DATABASE = ['./city/a.jpg', './city/b.jpg']
QUERIES = ['./city/queries/q.jpg']


def written(folder: Path, index='town', query='town', **arrays) -> Path:
    values = {'utmDb': [[0.0, 0.0], [40.0, 0.0]], 'utmQ': [[3.0, 4.0]], 'posDistThr': 25, **arrays}
    path = folder / 'town_test.npz'
    np.savez(path, **{name: np.array(v) for name, v in values.items() if v is not None})
    if index:
        (folder / f'{index}_imageNames_index.txt').write_text('\n'.join(DATABASE) + '\n')
    if query:
        (folder / f'{query}_imageNames_query.txt').write_text('\r\n'.join(QUERIES) + '\r\n\r\n')
    return path


@pytest.mark.parametrize('stem', ['town', 'town_test'])
def test_names_positions_and_threshold(tmp_path, stem):
    write_images(tmp_path / 'photos', [*DATABASE, *QUERIES])
    path = written(tmp_path, index=stem, query=stem)
    places = opened(path, images=str(tmp_path / 'photos'))
    assert positives_by_name(places, 5.0) == {'city/queries/q.jpg': ['city/a.jpg']}
    assert places.facts['posDistThr'] == 25.0
    assert places.frames[2].load()[0, 0, 0] == 12


def test_images_that_are_absent_are_refused_or_not_looked_for(tmp_path):
    path = written(tmp_path)
    with pytest.raises(SourceError, match='3 of 3 images are missing, the first is'):
        opened(path)
    places = opened(path, check_images=False)
    assert len(places) == 3
    with pytest.raises(ImageError, match=r'a\.jpg'):
        places.frames[0].load()


def test_a_list_that_is_absent_is_refused_or_numbered(tmp_path):
    path = written(tmp_path, index='')
    with pytest.raises(
        SourceError, match='the names of its database images in town_imageNames_ind'
    ):
        opened(path)
    places = opened(path, check_images=False)
    assert names_of(places, places.database) == ['database_000000', 'database_000001']
    assert places.facts['database_names'] == 'not listed'


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'utmDb': np.zeros((3, 2))}, 'many database positions as database image names, found 3'),
        ({'utmQ': np.zeros((2, 2))}, 'many query positions as query image names, found 2 and 1'),
        ({'utmQ': None}, 'found utmDb, posDistThr; utmQ is missing'),
        ({'utmQ': np.zeros((2, 1))}, 'utmQ: expected N x 2 numbers, found 2 x 1 float64'),
        ({'utmQ': [['a', 'b']]}, 'utmQ: expected N x 2 numbers'),
        ({'utmQ': [[np.inf, 0.0]]}, 'query image ./city/queries/q.jpg: expected UTM coordinates'),
        ({'posDistThr': [1, 2]}, 'posDistThr: expected one number'),
    ],
)
def test_lists_that_do_not_belong_together_are_refused(tmp_path, changed, message):
    with pytest.raises(SourceError, match=message):
        opened(written(tmp_path, **changed), check_images=False)


def test_a_file_that_is_no_npz(tmp_path):
    path = tmp_path / 'a.npz'
    with pytest.raises(SourceError, match=r'a\.npz: no such file'):
        opened(path, format='lists')
    for content in (b'', b'not an archive', written(tmp_path).read_bytes()[:300]):
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r'a\.npz: not a readable \.npz file'):
            opened(path)


def test_pickled_objects_are_not_loaded(tmp_path):
    objects = np.empty((1, 2), object)
    path = written(tmp_path, utmQ=objects)
    with pytest.raises(SourceError, match='not a readable'):
        opened(path)


def test_a_split_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='split: not used by the format'):
        opened(written(tmp_path), split='test')


def published(data_dir: Path, name: str) -> PlaceSet:
    return opened(data_dir / 'classic_ground_truth' / f'{name}.npz', check_images=False)


def check_panoramas(places: PlaceSet, views: int) -> None:
    _, sizes = np.unique(places.panorama[places.database], return_counts=True)
    assert np.median(sizes) == views


def test_tokyo_has_its_published_size_and_a_place_for_every_query(data_dir):
    places = published(data_dir, 'tokyo247')
    assert (len(places.queries), len(places.database)) == (315, 75_984)
    counts = positives_of(places, places.facts['posDistThr']).counts()
    assert (counts.min(), np.median(counts)) == (48, 108)
    assert not (counts % 12).any()
    check_panoramas(places, 12)


def test_pittsburgh_has_its_published_size_and_positives_as_by_brute_force(data_dir):
    places = published(data_dir, 'pitts30k_test')
    assert (len(places.queries), len(places.database)) == (6816, 10_000)
    pairs = positives_of(places, places.facts['posDistThr'])
    assert (pairs.counts().min(), np.median(pairs.counts())) == (24, 120)
    check_panoramas(places, 24)
    points = places.positions_m[places.database]
    for number in range(0, len(places.queries), 401):
        offset_m = points - places.positions_m[places.queries[number]]
        near = np.flatnonzero(np.hypot(*offset_m.T) <= 25.0)
        np.testing.assert_array_equal(pairs.rows(number), near)
