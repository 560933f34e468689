"""dbStruct files, written by SciPy as MATLAB writes them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from test.training.datasets.small_images import names_of, opened, positives_by_name, write_images

DATABASE = ['000/a_yaw1.jpg', '000/a_yaw2.jpg', '001/b_yaw1.jpg']
QUERIES = ['000/q.jpg', '001/r.jpg']


def cells(names) -> np.ndarray:
    """A cell array, one name in each row."""
    array = np.empty((len(names), 1), object)
    array[:, 0] = names
    return array


def fields(**changed) -> dict:
    values = {
        'whichSet': 'val',
        'dbImageFns': cells(DATABASE),
        'utmDb': np.array([[100.0, 100.0, 130.0], [200.0, 200.0, 200.0]]),
        'qImageFns': cells(QUERIES),
        'utmQ': np.array([[106.0, 130.0], [208.0, 224.0]]),
        'numImages': 3,
        'numQueries': 2,
        'posDistThr': 25,
        'posDistSqThr': 625,
        'nonTrivPosDistSqThr': 100,
        **changed,
    }
    return {name: value for name, value in values.items() if value is not None}


def written(folder: Path, **changed) -> Path:
    path = folder / 'pitts_val.mat'
    savemat(path, {'dbStruct': fields(**changed), 'other': 1}, do_compression=True)
    return path


def test_names_positions_and_thresholds(tmp_path):
    places = opened(written(tmp_path), check_images=False)
    assert names_of(places, places.database) == DATABASE
    assert names_of(places, places.queries) == QUERIES
    assert positives_by_name(places, 10.0) == {QUERIES[0]: DATABASE[:2], QUERIES[1]: []}
    assert positives_by_name(places, 24.0)[QUERIES[1]] == DATABASE[2:]
    assert places.panorama.tolist() == [0, 0, 1, -1, -1]
    assert places.facts == {
        'source': str(tmp_path / 'pitts_val.mat'),
        'format': 'dbstruct',
        'whichSet': 'val',
        'numImages': 3.0,
        'numQueries': 2.0,
        'posDistThr': 25.0,
        'posDistSqThr': 625.0,
        'nonTrivPosDistSqThr': 100.0,
    }
    assert places.visit is None


@pytest.mark.parametrize(
    ('database_in', 'queries_in'),
    [('', ''), ('images', 'queries'), ('images', 'query'), ('', 'queries_real')],
)
def test_images_are_found_in_the_usual_folders(tmp_path, database_in, queries_in):
    write_images(tmp_path / 'photos' / database_in, DATABASE)
    write_images(tmp_path / 'photos' / queries_in, QUERIES)
    places = opened(written(tmp_path), images=str(tmp_path / 'photos'), split='val')
    assert len(places) == 5
    assert places.frames[3].load()[0, 0, 0] == 10


def test_time_machine_sets_keep_a_month_between_query_and_positives(tmp_path):
    # The queries are photos of the database: TokyoTM's queries are drawn from it.
    stamps = np.array([[201307.0, 201307.0, 201408.0]])
    path = written(
        tmp_path,
        qImageFns=cells([DATABASE[0], DATABASE[2]]),
        utmQ=np.array([[100.0, 130.0], [200.0, 200.0]]),
        dbTimeStamp=stamps,
        qTimeStamp=stamps[:, [0, 2]],
    )
    places = opened(path, check_images=False)
    assert len(places) == 3
    assert places.queries.tolist() == [0, 2]
    assert positives_by_name(places, 30.0) == {
        DATABASE[0]: DATABASE[2:],
        DATABASE[2]: DATABASE[:2],
    }
    assert places.facts['time_stamps'] == 'a month apart'
    assert places.stamp_ns[2] > places.stamp_ns[0] > 0


def test_time_stamps_of_one_side_say_nothing(tmp_path):
    places = opened(written(tmp_path, dbTimeStamp=np.full((1, 3), 201408.0)), check_images=False)
    assert places.visit is None


def test_one_image_of_each_kind(tmp_path):
    path = written(
        tmp_path,
        dbImageFns=cells(['a.jpg']),
        utmDb=np.array([[1.0], [2.0]]),
        qImageFns=cells(['q.jpg']),
        utmQ=np.array([[1.0], [2.0]]),
        numImages=1,
        numQueries=1,
    )
    assert positives_by_name(opened(path, check_images=False), 1.0) == {'q.jpg': ['a.jpg']}


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'utmDb': None}, 'utmDb is missing'),
        ({'numImages': 4}, 'numImages: expected 4 image names, found 3'),
        ({'numQueries': 3}, 'numQueries: expected 3 image names, found 2'),
        (
            {'utmQ': np.zeros((2, 3))},
            'as many query positions as query image names, found 3 and 2',
        ),
        ({'utmQ': np.zeros((3, 2))}, 'utmQ: expected a 2 x N matrix, found 3 x 2'),
        ({'utmDb': 7.0}, 'utmDb: expected a 2 x N matrix, found one number'),
        ({'dbTimeStamp': np.ones((1, 2))}, 'as many time stamps as database image names'),
        ({'utmQ': np.full((2, 2), np.nan)}, 'query image 000/q.jpg: expected UTM coordinates'),
        ({'qImageFns': np.arange(2.0)}, r'qImageFns: expected a cell array .* found 0\.0'),
        ({'posDistThr': 'far'}, "posDistThr: expected a number, found 'far'"),
    ],
)
def test_lists_that_do_not_belong_together_are_refused(tmp_path, changed, message):
    with pytest.raises(SourceError, match=message):
        opened(written(tmp_path, **changed), check_images=False)


def test_missing_images_are_counted_and_the_first_is_named(tmp_path):
    write_images(tmp_path, DATABASE[1:])
    with pytest.raises(
        SourceError, match=r'3 of 5 images are missing, the first is .*a_yaw1\.jpg'
    ):
        opened(written(tmp_path))


def test_another_split_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is the set 'val', not 'train'"):
        opened(written(tmp_path), split='train')


def test_a_file_that_is_no_matlab_file(tmp_path):
    path = tmp_path / 'a.mat'
    with pytest.raises(SourceError, match=r'a\.mat: no such file'):
        opened(path)
    path.write_bytes(b'nothing of this kind' * 20)
    with pytest.raises(SourceError, match='not a readable MATLAB file'):
        opened(path)
    path.write_bytes(written(tmp_path).read_bytes()[:-200])
    with pytest.raises(SourceError, match='not a readable MATLAB file'):
        opened(path)
    savemat(path, {'other': 1})
    with pytest.raises(SourceError, match='expected one struct dbStruct'):
        opened(path)


def test_matlab_7_3_is_refused_with_advice(tmp_path):
    path = tmp_path / 'new.mat'
    head = b'MATLAB 7.3 MAT-file, Platform: GLNXA64'.ljust(124) + b'\x00\x02IM'
    path.write_bytes(head + bytes(512))
    with pytest.raises(SourceError, match='save it in MATLAB with -v7'):
        opened(path)
