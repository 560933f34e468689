"""Search against brute force; rows and ids; a cache that may be anything and never matters."""

import shutil

import faiss
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.search.cache import cache_path, read_cache
from ghost_vpr_ros.core.search.index import SearchIndex
from test.core.map_making import DIM, filled_map, new_map, unit_rows


def index_of(descriptors):
    index = SearchIndex(descriptors.shape[1])
    for descriptor in descriptors:
        index.add(descriptor)
    return index


@pytest.fixture
def path(tmp_path):
    filled_map(tmp_path / 'town.map', count=20)
    return tmp_path / 'town.map'


def cached(path):
    """The index as its cache gives it, and whether the cache file was written again."""
    with PlaceMap.open(path) as place_map:
        file = cache_path(place_map)
        before = file.stat().st_ino if file.exists() else None
        index = SearchIndex.from_map(place_map, cache=True)
        return index, file.exists() and file.stat().st_ino != before


def assert_finds_each(index, descriptors):
    rows, similarities = index.search(descriptors, 1)
    assert rows[:, 0].tolist() == list(range(len(descriptors)))
    np.testing.assert_allclose(similarities, 1.0, atol=1e-5)


@pytest.mark.parametrize(('count', 'dim', 'k'), [(200, 64, 10), (50, 512, 50), (7, 4, 3)])
def test_equal_to_brute_force(count, dim, k):
    database, queries = unit_rows(count, dim, seed=1), unit_rows(15, dim, seed=2)
    rows, similarities = index_of(database).search(queries, k)
    exact = queries.astype(np.float64) @ database.astype(np.float64).T
    expected = np.argsort(-exact, axis=1, kind='stable')[:, :k]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(
        similarities, np.take_along_axis(exact, expected, axis=1), atol=1e-5
    )


def test_added_at_once_is_as_added_one_by_one():
    database, queries = unit_rows(30, seed=1), unit_rows(4, seed=2)
    at_once = SearchIndex(DIM)
    at_once.add_all(database[:10])
    at_once.add_all(database[10:])
    for found, expected in zip(
        at_once.search(queries, 5), index_of(database).search(queries, 5), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_types_and_shapes_for_the_caller():
    rows, similarities = index_of(unit_rows(5)).search(unit_rows(3), 2)
    assert (rows.shape, rows.dtype) == ((3, 2), np.int64)
    assert (similarities.shape, similarities.dtype) == ((3, 2), np.float32)


def test_equal_similarities_come_in_the_order_of_rows():
    rows, similarities = index_of(np.repeat(unit_rows(1), 6, axis=0)).search(unit_rows(1), 6)
    assert rows.tolist() == [[0, 1, 2, 3, 4, 5]]
    assert len(set(similarities[0])) == 1


def test_more_asked_than_there_is():
    rows, similarities = index_of(unit_rows(3)).search(unit_rows(2, seed=9), 100)
    assert rows.shape == similarities.shape == (2, 3)
    assert sorted(rows[0]) == [0, 1, 2]


def test_nothing_is_found_in_an_empty_map(tmp_path):
    with new_map(tmp_path / 'town.map') as place_map:
        index = SearchIndex.from_map(place_map)
    rows, similarities = index.search(unit_rows(2), 5)
    assert len(index) == 0
    assert rows.shape == similarities.shape == (2, 0)
    assert rows.dtype == np.int64


def test_no_query_gives_no_row():
    assert index_of(unit_rows(3)).search(np.empty((0, DIM)), 2)[0].shape == (0, 2)


@pytest.mark.parametrize('queries', [unit_rows(2, DIM + 1), unit_rows(1)[0], np.zeros((1, 2, 3))])
def test_a_query_of_another_dim_is_refused(queries):
    with pytest.raises(MapError, match=r'shape \(n, 8\)'):
        index_of(unit_rows(3)).search(queries, 1)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_query_that_is_not_finite_is_refused(value):
    with pytest.raises(MapError, match='finite'):
        index_of(unit_rows(3)).search(np.full((1, DIM), value), 1)
    with pytest.raises(MapError, match='finite'):
        index_of(unit_rows(3)).add(np.full(DIM, value))


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match='k must be at least 1'):
        index_of(unit_rows(3)).search(unit_rows(1), 0)


def test_a_row_leads_to_its_keyframe(path):
    with PlaceMap.open(path) as place_map:
        index = SearchIndex.from_map(place_map)
        rows, _ = index.search(place_map.descriptors()[[4, 11]], 1)
        ids = place_map.keyframe_ids()[rows[:, 0]]
        assert [place_map.keyframe(int(i)).name for i in ids] == ['4.jpg', '11.jpg']
        assert rows[:, 0].tolist() == [4, 11]
        assert ids.tolist() == [5, 12]


def test_an_added_descriptor_is_found_at_its_row(path):
    with PlaceMap.open(path) as place_map:
        index = SearchIndex.from_map(place_map)
    new = unit_rows(1, seed=99)
    assert index.add(new[0]) == 20
    assert index.search(new, 1)[0].tolist() == [[20]]


def test_no_cache_unless_asked(path):
    with PlaceMap.open(path) as place_map:
        SearchIndex.from_map(place_map)
    assert [p.name for p in path.parent.iterdir()] == ['town.map']


def test_a_cache_is_written_once_and_used(path, monkeypatch):
    assert cached(path)[1]
    assert sorted(p.name for p in path.parent.iterdir()) == ['town.map', 'town.map.faiss']
    monkeypatch.setattr(PlaceMap, 'descriptors', None)
    index, was_written = cached(path)
    assert not was_written
    assert_finds_each(index, unit_rows(20))


def assert_rebuilt_with_one_more(path, seed):
    """The cache is written again after a keyframe was added, and has all of them."""
    new = unit_rows(1, seed=seed)
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.add('walk', 0, new[0])
    index, was_written = cached(path)
    assert was_written
    assert_finds_each(index, np.concatenate([unit_rows(20), new]))


def test_a_stale_cache_is_rebuilt(path):
    cached(path)
    assert_rebuilt_with_one_more(path, seed=50)


def test_a_cache_of_a_map_that_went_another_way_is_rebuilt(path):
    shutil.copy(path, path.with_name('backup.map'))
    for seed, source in ((1, None), (2, 'backup.map')):
        if source:
            shutil.copy(path.with_name(source), path)
        assert_rebuilt_with_one_more(path, seed)


@pytest.mark.parametrize('share', [0.0, 0.02, 0.3, 0.6, 0.999])
def test_a_cut_off_cache_is_rebuilt(path, share):
    cached(path)
    file = path.with_name('town.map.faiss')
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    index, was_written = cached(path)
    assert was_written
    assert_finds_each(index, unit_rows(20))


@pytest.mark.parametrize('position', [3, 60, 400, -100])
def test_a_cache_with_a_wrong_byte_is_rebuilt(path, position):
    cached(path)
    file = path.with_name('town.map.faiss')
    content = bytearray(file.read_bytes())
    content[position] ^= 0xFF
    file.write_bytes(content)
    index, was_written = cached(path)
    assert was_written
    assert_finds_each(index, unit_rows(20))


def test_every_byte_of_the_header_counts(path):
    cached(path)
    file = path.with_name('town.map.faiss')
    whole = file.read_bytes()
    end = whole.index(b'\n', whole.index(b'\n') + 1)
    for position in range(0, end + 1):
        content = bytearray(whole)
        content[position] ^= 1
        file.write_bytes(content)
        with PlaceMap.open(path) as place_map:
            assert read_cache(place_map, 'IndexFlatIP') is None, position


@pytest.mark.parametrize('header', [b'[]\n', b'{}\n', b'null\n', b'{"key": 1}\n', b'\n'])
def test_a_cache_with_a_strange_header_is_rebuilt(path, header):
    path.with_name('town.map.faiss').write_bytes(b'ghost_vpr_ros search index 1\n' + header)
    index, was_written = cached(path)
    assert was_written
    assert len(index) == 20


def test_a_plain_faiss_file_is_not_trusted(path):
    other = faiss.IndexFlatIP(3)
    faiss.write_index(other, str(path.with_name('town.map.faiss')))
    assert_finds_each(cached(path)[0], unit_rows(20))


def test_a_cache_that_cannot_be_written_is_no_error(path):
    path.with_name('town.map.faiss').mkdir()
    index, _ = cached(path)
    assert_finds_each(index, unit_rows(20))
    assert sorted(p.name for p in path.parent.iterdir()) == ['town.map', 'town.map.faiss']
