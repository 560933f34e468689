"""The search in large maps against brute force: how often it agrees, what is exact, what grows."""

import faiss
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.core.search import ranking
from ghost_vpr_ros.core.search.cache import cache_path
from ghost_vpr_ros.core.search.index import EXACT_UP_TO, SearchIndex, is_searched_exactly
from test.core.map_making import new_map, unit_rows

DIM, PLACES, VIEWS = 64, 300, 8
ROWS = PLACES * VIEWS


def clusters(seed: int = 0) -> np.ndarray:
    """(2400, 64) unit rows: 300 places, each seen 8 times in a row."""
    places = np.repeat(unit_rows(PLACES, DIM, seed), VIEWS, axis=0)
    return unit(places + 0.5 * unit_rows(ROWS, DIM, seed + 1))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def asked(rows: np.ndarray, count: int = 200) -> np.ndarray:
    """Another view of every place, half as similar as those of the map."""
    rng = np.random.default_rng(9)
    chosen = rows[rng.integers(len(rows), size=count)]
    return unit(chosen + 0.8 * unit_rows(count, DIM, 10))


def add_all(place_map: PlaceMap, rows: np.ndarray) -> None:
    for descriptor in rows:
        place_map.add('walk', 0, descriptor)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp('large') / 'town.map'
    with new_map(path, dim=DIM) as place_map:
        place_map.add_session('walk')
        add_all(place_map, clusters())
    return path


@pytest.fixture
def path(made, tmp_path):
    copy = tmp_path / 'town.map'
    copy.write_bytes(made.read_bytes())
    return copy


def opened(place_map: PlaceMap, **options) -> SearchIndex:
    return SearchIndex.from_map(place_map, cache=True, index='approximate', **options)


@pytest.fixture(params=[ROWS, ROWS - 1], ids=['one part', 'two parts'])
def parted(request, monkeypatch):
    """A map of more rows than this is searched in two parts."""
    monkeypatch.setattr(ranking, '_ROWS_OF_A_THREAD', request.param)


def test_it_agrees_with_brute_force_on_clustered_places(path, parted):
    database = clusters()
    queries = asked(database)
    exact = queries @ database.T
    with PlaceMap.open(path) as place_map:
        index = opened(place_map)
        assert not index.is_exact
        rows, similarities = index.search(queries, 10)
    assert (rows[:, 0] == exact.argmax(axis=1)).mean() >= 0.99
    assert len({len(set(row)) for row in rows.tolist()}) == 1
    expected = np.take_along_axis(exact, rows, axis=1)
    np.testing.assert_allclose(similarities[:, 0], expected[:, 0], atol=1e-6)
    np.testing.assert_allclose(similarities, expected, atol=1e-2)
    assert (np.diff(similarities, axis=1) <= 0.0).all()


def test_a_deep_search_is_right_to_the_long_codes_behind_the_best(path, parted):
    database = clusters()
    queries = asked(database, 5)
    with PlaceMap.open(path) as place_map:
        rows, similarities = opened(place_map).search(queries, 300)
    exact = np.take_along_axis(queries @ database.T, rows, axis=1)
    np.testing.assert_allclose(similarities[:, 0], exact[:, 0], atol=1e-6)
    np.testing.assert_allclose(similarities, exact, atol=1e-2)


def test_rows_too_alike_for_the_codes_are_told_apart_exactly(tmp_path):
    # Ten views that differ from the query by angles of 1 to 10 mrad, among other places: by their
    # long codes alone their order would be a matter of luck.
    query, aside = unit_rows(2, DIM, seed=3)
    aside = unit(aside[None] - (aside @ query) * query)
    angles = np.array([5, 3, 8, 1, 10, 2, 7, 4, 9, 6])[:, None] * 1e-3
    alike = unit(np.cos(angles) * query + np.sin(angles) * aside)
    with new_map(tmp_path / 'alike.map', dim=DIM) as place_map:
        place_map.add_session('walk')
        add_all(place_map, np.concatenate([unit_rows(200, DIM), alike]))
        rows, similarities = opened(place_map).search(query[None], 10)
    assert rows[0].tolist() == (200 + np.argsort(angles[:, 0])).tolist()
    np.testing.assert_allclose(similarities[0], np.sort(alike @ query)[::-1], atol=1e-6)


def test_only_rows_in_doubt_are_read_from_the_map(path, monkeypatch):
    database = clusters()
    with PlaceMap.open(path) as place_map:
        index = opened(place_map)
        read = []
        descriptors_at = place_map.descriptors_at
        monkeypatch.setattr(
            place_map, 'descriptors_at', lambda rows: read.extend(rows) or descriptors_at(rows)
        )
        index.search(database[700:701], 10)
    assert read == [700]


@pytest.mark.parametrize('k', [1, ROWS, 10 * ROWS])
def test_every_row_can_be_had(path, parted, k):
    with PlaceMap.open(path) as place_map:
        rows, _ = opened(place_map).search(asked(clusters(), 2), k)
    assert rows.shape == (2, min(k, ROWS))
    assert all(len(set(row)) == len(row) for row in rows.tolist())


def test_an_added_row_is_found_at_once(path, parted):
    new = unit_rows(3, DIM, seed=77)
    with PlaceMap.open(path, writable=True) as place_map:
        index = opened(place_map)
        for number, descriptor in enumerate(new):
            place_map.add('walk', 0, descriptor)
            assert index.add(descriptor) == ROWS + number
            rows, similarities = index.search(descriptor[None], 1)
            assert rows.tolist() == [[ROWS + number]]
            assert similarities[0, 0] == pytest.approx(1.0, abs=1e-6)


def test_the_cache_answers_as_what_was_built(path, parted, monkeypatch):
    queries = asked(clusters(), 20)
    with PlaceMap.open(path) as place_map:
        expected = opened(place_map).search(queries, 20)
        monkeypatch.setattr(ranking, '_new_parts', None)
        for found, wanted in zip(opened(place_map).search(queries, 20), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_a_cache_of_fewer_rows_is_continued(path, parted, monkeypatch):
    with PlaceMap.open(path) as place_map:
        opened(place_map)
    new = unit_rows(50, DIM, seed=5)
    with PlaceMap.open(path, writable=True) as place_map:
        add_all(place_map, new)
    monkeypatch.setattr(ranking, '_new_parts', None)
    with PlaceMap.open(path) as place_map:
        index = opened(place_map)
        assert len(index) == ROWS + 50
        assert index.search(new, 1)[0][:, 0].tolist() == list(range(ROWS, ROWS + 50))
        before = cache_path(place_map).stat().st_mtime_ns
        opened(place_map)
        assert cache_path(place_map).stat().st_mtime_ns == before


def test_a_cache_of_a_map_that_went_another_way_is_not_continued(path):
    backup = path.read_bytes()
    for seed in (1, 2):
        path.write_bytes(backup)
        new = unit_rows(20, DIM, seed=seed)
        with PlaceMap.open(path, writable=True) as place_map:
            add_all(place_map, new)
        with PlaceMap.open(path) as place_map:
            rows, similarities = opened(place_map).search(new, 1)
        assert rows[:, 0].tolist() == list(range(ROWS, ROWS + 20))
        np.testing.assert_allclose(similarities, 1.0, atol=1e-6)


def test_a_cache_of_another_map_is_not_continued(path, tmp_path):
    with PlaceMap.open(path) as place_map:
        opened(place_map)
    rows = clusters()
    compared = evenly_spaced(ROWS, 64)
    changed = [row for row in range(10, 60) if row not in compared][:20]
    rows[changed] = unit_rows(20, DIM, seed=123)
    path.unlink()
    with new_map(path, dim=DIM) as place_map:
        place_map.add_session('walk')
        add_all(place_map, rows)
    with PlaceMap.open(path) as place_map:
        assert opened(place_map).search(rows[changed], 1)[0][:, 0].tolist() == changed


@pytest.mark.parametrize('count', [1, 15, 16])
def test_a_map_with_few_keyframes_is_searched_whatever_was_chosen(tmp_path, count):
    rows = unit_rows(count, DIM)
    with new_map(tmp_path / 'few.map', dim=DIM) as place_map:
        place_map.add_session('walk')
        add_all(place_map, rows)
        assert opened(place_map).search(rows, 1)[0][:, 0].tolist() == list(range(count))


@pytest.mark.parametrize('position', [3, 60, 4000, -10])
def test_a_damaged_cache_is_built_again(path, position):
    with PlaceMap.open(path) as place_map:
        opened(place_map)
        file = cache_path(place_map)
        whole = file.read_bytes()
        content = bytearray(whole)
        content[position] ^= 0xFF
        file.write_bytes(content)
        rows, _ = opened(place_map).search(clusters()[:50], 1)
        assert rows[:, 0].tolist() == list(range(50))
        assert file.read_bytes() == whole


def test_a_place_where_no_cache_can_be_written_is_no_error(path):
    path.with_name('town.map.faiss').mkdir()
    with PlaceMap.open(path) as place_map:
        assert len(opened(place_map)) == ROWS


def test_building_is_reported_and_a_cached_index_is_silent(path):
    told = []
    with PlaceMap.open(path) as place_map:
        opened(place_map, progress=lambda *done: told.append(done))
        assert told[0] == ('training', 0, ROWS)
        assert told[-1] == ('building', ROWS, ROWS)
        told.clear()
        opened(place_map, progress=lambda *done: told.append(done))
    assert not told


def test_rows_among_which_to_search_are_compared_exactly(path):
    database, query = clusters(), asked(clusters(), 1)
    chosen = np.array([5, 900, 17, 2399])
    expected = sorted(chosen, key=lambda row: -float(database[row] @ query[0]))
    with PlaceMap.open(path) as place_map:
        for index in (opened(place_map), SearchIndex.from_map(place_map)):
            rows, similarities = index.search_among(query, chosen)
            assert rows.tolist() == expected
            np.testing.assert_allclose(similarities, database[rows] @ query[0], atol=1e-6)


def test_a_descriptor_that_was_damaged_since_is_an_error_not_an_answer(path):
    with PlaceMap.open(path, writable=True) as place_map:
        index = opened(place_map)
        zeros = bytes(4 * DIM)
        place_map._connection.execute('UPDATE descriptors SET descriptor = ?', (zeros,))
        with pytest.raises(MapError, match='damaged'):
            index.search(asked(clusters(), 1), 1)


@pytest.mark.parametrize(
    ('kind', 'count', 'is_exact'),
    [
        ('auto', EXACT_UP_TO, True),
        ('auto', EXACT_UP_TO + 1, False),
        ('exact', 10**6, True),
        ('approximate', ROWS, False),
    ],
)
def test_the_kind_goes_by_setting_and_size(kind, count, is_exact):
    assert is_searched_exactly(kind, count) is is_exact


@pytest.mark.parametrize('kind', ['auto', 'approximate'])
def test_a_map_has_the_index_of_its_kind(path, kind):
    with PlaceMap.open(path) as place_map:
        assert SearchIndex.from_map(place_map, index=kind).is_exact is (kind == 'auto')


@pytest.mark.parametrize('dim', [8, 6, 7])
def test_any_number_of_dimensions_can_be_divided(tmp_path, dim):
    rows = unit_rows(100, dim)
    with new_map(tmp_path / 'odd.map', dim=dim) as place_map:
        place_map.add_session('walk')
        add_all(place_map, rows)
        found, _ = opened(place_map).search(rows, 1)
    assert found[:, 0].tolist() == list(range(100))


@pytest.mark.parametrize(('dim', 'groups'), [(1024, 128), (512, 64), (256, 64), (64, 64), (6, 6)])
def test_short_codes_have_half_a_byte_for_each_group_of_dimensions(tmp_path, dim, groups):
    with new_map(tmp_path / 'town.map', dim=dim) as place_map:
        place_map.add_session('walk')
        add_all(place_map, unit_rows(20, dim))
        (part,) = ranking.open_quantised(place_map, cache=False, progress=None)._parts
    short_codes = faiss.downcast_index(part.base_index).pq
    assert (short_codes.M, short_codes.nbits) == (groups, 4)
    assert faiss.downcast_index(part.refine_index).code_size == dim


@pytest.mark.parametrize(
    ('rows', 'count', 'expected'),
    [(2_000, 10, 384), (500_000, 10, 500), (1_000_000, 10, 1_000), (2_000, 300, 1_200)],
)
def test_more_rows_are_compared_finely_in_large_maps_and_deep_searches(rows, count, expected):
    assert ranking.shortlist_length(rows, count) == expected


def test_equal_maps_give_equal_answers(path, parted):
    queries = asked(clusters(), 20)
    with PlaceMap.open(path) as place_map:
        found = [
            SearchIndex.from_map(place_map, index='approximate').search(queries, 20)
            for _ in range(2)
        ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
