"""What counts as right under the papers' protocols, on lists of a few images."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from test.training.datasets.readers.test_dbstruct import cells
from test.training.datasets.small_images import write_images
from training.measure.protocols import Protocol, ProtocolConfig, open_protocol, read_protocols
from training.measure.retrieval import best_views, judge

PAPERS = Path(__file__).parents[3] / 'training' / 'configs' / 'protocols_papers.yaml'
VIEWS = 12


@pytest.fixture
def tokyo(tmp_path: Path) -> Path:
    """Three panoramas of 12 views, and the place of the last by day, at sunset and by night."""
    path = tmp_path / 'tokyo247.mat'
    database = [f'{panorama}/{view:02d}.jpg' for panorama in range(3) for view in range(VIEWS)]
    struct = {
        'dbImageFns': cells(database),
        'utmDb': np.repeat([[0.0, 1000.0, 2000.0], [0.0] * 3], VIEWS, axis=1),
        'qImageFns': cells(['00010.jpg', '00011.jpg', '00012.jpg']),
        'utmQ': np.array([[2003.0] * 3, [0.0] * 3]),
    }
    savemat(path, {'dbStruct': struct})
    return path


def opened(path: Path, **settings: object) -> Protocol:
    values = {'path': [str(path)], 'check_images': False, **settings}
    return open_protocol('tokyo', ProtocolConfig.from_dict(values))


def described(*cosines: float) -> np.ndarray:
    """(36, 2) descriptors of the views of each panorama by their cosine to the query (1, 0)."""
    cosine = np.repeat(cosines, VIEWS)
    return np.stack([cosine, np.sqrt(1.0 - cosine**2)], axis=1).astype(np.float32)


def test_the_best_view_of_each_panorama_is_kept() -> None:
    panorama = np.array([5, 5, 8, 8, -1, -1, 5])
    rows = np.array([[1, 0, 2, 4, 3, 5], [3, -1, 2, 0, -1, -1]])
    assert best_views(rows, panorama).tolist() == [
        [1, 2, 4, 5, -1, -1],
        [3, 0, -1, -1, -1, -1],
    ]


def test_views_of_one_panorama_take_one_rank_on_tokyo(tokyo: Path) -> None:
    # All views of two wrong panoramas are more alike than those of the right one.
    queries = np.array([[1.0, 0.0]] * 3, np.float32)
    database = described(0.9, 0.8, 0.5)
    plain = judge(queries, database, opened(tokyo))
    assert plain.recall == {1: 0.0, 5: 0.0, 10: 0.0, 20: 0.0, 25: 100.0}
    thinned = judge(queries, database, opened(tokyo, best_view_of_panorama=True))
    assert thinned.recall == {1: 0.0} | dict.fromkeys((5, 10, 20, 25), 100.0)
    nearer = judge(queries, described(0.5, 0.6, 0.9), opened(tokyo, best_view_of_panorama=True))
    assert nearer.recall == dict.fromkeys((1, 5, 10, 20, 25), 100.0)


class Reversing:
    """A re-ranker that turns the first two answers round."""

    num_candidates = 2

    def rerank(self, queries, database, rows, stage_ms):
        assert (len(queries), len(database)) == (3, 3 * VIEWS)
        return np.concatenate([rows[:, 1::-1], rows[:, 2:]], axis=1), None


def test_a_second_look_changes_the_order(tokyo: Path) -> None:
    queries = np.array([[1.0, 0.0]] * 3, np.float32)
    protocol = opened(tokyo, best_view_of_panorama=True)
    second = described(0.5, 0.9, 0.8)
    assert judge(queries, second, protocol).recall[1] == 0.0
    assert judge(queries, second, protocol, Reversing()).recall[1] == 100.0


def test_day_sunset_and_night_are_queries_in_turn(tokyo: Path) -> None:
    asked = {light: opened(tokyo, light=light) for light in ('day', 'sunset', 'night')}
    names = {light: [frame.name for frame in each.queries] for light, each in asked.items()}
    assert names == {'day': ['00010.jpg'], 'sunset': ['00011.jpg'], 'night': ['00012.jpg']}
    assert {each.truth.positives.counts().tolist()[0] for each in asked.values()} == {VIEWS}


def test_every_protocol_has_an_id_of_its_own(tokyo: Path) -> None:
    ids = [
        opened(tokyo).identity,
        opened(tokyo, best_view_of_panorama=True).identity,
        opened(tokyo, light='night').identity,
        opened(tokyo, positive_distance_m=1500.0).identity,
    ]
    assert len(set(ids)) == len(ids)
    assert all(each.startswith('tokyo#') for each in ids)
    assert opened(tokyo).identity == ids[0]


def test_light_needs_three_queries_of_each_place(tmp_path: Path) -> None:
    write_images(tmp_path, [f'{place}/{view}.jpg' for place in 'ab' for view in range(2)])
    with pytest.raises(SourceError, match='expected three queries of each place, found 4'):
        opened(tmp_path, light='day')


def test_what_ground_truth_by_index_cannot_do_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, ['1.jpg', '2.jpg'])
    walk = {'ground_truth': 'index', 'queries_path': str(tmp_path)}
    with pytest.raises(ConfigError, match='light: not used by ground truth by index'):
        opened(tmp_path, light='day', **walk)
    with pytest.raises(ConfigError, match='best_view_of_panorama: not used'):
        opened(tmp_path, best_view_of_panorama=True, **walk)


def test_tju_is_judged_by_place(tmp_path: Path) -> None:
    write_images(tmp_path, [f'{place}/{view}.jpg' for place in 'ab' for view in range(2)])
    protocol = opened(tmp_path, format='places')
    by_place = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]], np.float32)
    # Every image is query and database; it does not find itself, but its place.
    assert judge(by_place, by_place, protocol).recall[1] == 50.0
    by_place[1] = by_place[0]
    assert judge(by_place, by_place, protocol).recall[1] == 100.0


def test_the_papers_protocols_are_read() -> None:
    found = read_protocols(PAPERS)
    assert found['tokyo247_night'].light == 'night'
    assert all(found[name].best_view_of_panorama == name.startswith('tokyo247') for name in found)
    assert {config.positive_distance_m for config in found.values()} == {25.0}


def test_tokyo_lists_have_three_queries_of_each_place(data_dir: Path) -> None:
    lists = np.load(data_dir / 'classic_ground_truth' / 'tokyo247.npz')
    places = lists['utmQ'].reshape(-1, 3, 2)
    assert len(places) == 105
    assert (places == places[:, :1]).all()


class LastFirst(Reversing):
    """A re-ranker that turns all of its candidates round."""

    num_candidates = 3 * VIEWS

    def rerank(self, queries, database, rows, stage_ms):
        return rows[:, ::-1], None


def test_a_second_look_sees_as_many_candidates_as_it_asks_for(tokyo: Path) -> None:
    """The right panorama stands behind rank 25, and comes first when all are turned round."""
    queries = np.array([[1.0, 0.0]] * 3, np.float32)
    found = judge(queries, described(0.9, 0.8, 0.5), opened(tokyo), LastFirst())
    assert found.recall[1] == 100.0
    assert found.correct.shape == (3, 25)
