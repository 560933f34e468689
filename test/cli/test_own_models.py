"""Networks of others, descriptors and ground truth made elsewhere: everywhere they can stand."""

import csv
import json
import shutil

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from test.cli.program import TINY
from test.core.engine.test_networks_of_others import write_network

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp('model') / 'tiny.onnx')


def test_a_map_is_made_asked_replayed_and_shown(program, network, geotagged, tmp_path):
    place_map, bag = tmp_path / 'street.map', tmp_path / 'bag'
    built = program('build-map', geotagged, place_map, '--model', network, '--json')
    assert json.loads(built.out)['model'] == 'tiny, 32x32, 5-D'
    asked = program('query', place_map, geotagged / '003.jpg', '--model', network, '--json')
    assert json.loads(asked.out.splitlines()[0])['name'] == '003.jpg'
    assert program('make-bag', geotagged, bag).status == 0
    replayed = program('replay', bag, '--map', place_map, '--out', tmp_path / 'out', '--json')
    assert json.loads(replayed.out)['recall']['1'] == 100.0
    shown = json.loads(program('info', place_map, '--json').out)
    assert shown['model']['architecture'] == 'a graph made elsewhere'


def test_features_that_it_lacks_are_refused_before_the_first_image(
    program, network, geotagged, tmp_path
):
    place_map = tmp_path / 'street.map'
    assert program('build-map', geotagged, place_map, '--model', network).status == 0
    with pytest.raises(DeviceError, match='use verify_features sift or orb'):
        PlaceRecognizer.open(place_map, config=RecognizerConfig(verify_features='network'))


def test_a_map_of_another_network_is_refused(program, network, geotagged, built, tmp_path):
    error = program('query', built, geotagged / '003.jpg', '--model', network).error
    assert 'D=5' in error or 'was built with model' in error


def test_a_robot_maps_with_it(program, network, geotagged, tmp_path):
    bag, place_map = tmp_path / 'bag', tmp_path / 'own.map'
    program('make-bag', geotagged, bag)
    options = ('--map', place_map, '--mode', 'map', '--model', network, '--out', tmp_path / 'out')
    assert program('replay', bag, *options).status == 0
    shown = json.loads(program('info', place_map, '--json').out)
    assert shown['model']['name'] == 'tiny, 32x32, 5-D'


def test_models_stand_side_by_side(program, network, folder, again, tmp_path):
    sources = ('--database', folder, '--queries', again, '--tolerance', 0, '--out', tmp_path)
    outcome = program('compare', network, 'untrained', *sources, *TINY[2:])
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split() == ['model', 'D', 'r@1', '±', 'r@5', 'r@10', 'won', 'lost', 'ms']
    assert len(lines[1:3]) == 2
    table = json.loads((tmp_path / 'compare.json').read_text())['models']
    assert [row['descriptor_dim'] for row in table] == [5, 640]
    assert (table[0]['won'], table[0]['lost']) == (0, 0)
    assert table[1]['won'] - table[1]['lost'] == pytest.approx(
        8 * (table[1]['recall_at_1'] - table[0]['recall_at_1']) / 100
    )
    assert (tmp_path / '1_tiny' / 'metrics.json').is_file()


def test_one_model_is_nothing_to_compare(program, network, folder, again, tmp_path):
    sources = ('--database', folder, '--queries', again, '--out', tmp_path)
    assert 'two or more different models' in program('compare', network, *sources).error
    twin = f'{network.parent}/./{network.name}'
    error = program('compare', network, twin, *sources).error
    assert f'under two names, {network} and {twin}' in error


def test_settings_that_no_model_takes_are_refused(program, network, folder, again, tmp_path):
    sources = ('--database', folder, '--queries', again, '--out', tmp_path / 'out')
    outcome = program('compare', network, 'package', *sources, '--clusters', 8)
    assert '--clusters: fixed by the weights of every model' in outcome.error
    outcome = program('compare', network, 'package', *sources, '--width-px', 64)
    assert 'expected 32, the size that the network was exported for, found 64' in outcome.error
    assert not (tmp_path / 'out').exists()


def descriptors(path, rows):
    np.save(path, np.asarray(rows, np.float64))
    return path


def evaluate(program, folder, again, out, *options):
    sources = ('--database', folder, '--queries', again, '--out', out)
    return program('evaluate', *sources, *options)


def test_descriptors_made_elsewhere_are_judged(program, folder, again, tmp_path):
    database = descriptors(tmp_path / 'd.npy', 3.0 * np.eye(8))
    queries = descriptors(tmp_path / 'q.npy', np.roll(np.eye(8), 4, axis=0))
    options = ('--descriptors', database, queries, '--tolerance', 0, '--json')
    metrics = json.loads(evaluate(program, folder, again, tmp_path / 'out', *options).out)
    assert metrics['recall']['1'] == 0.0
    options = ('--descriptors', database, database, '--tolerance', 0, '--json')
    metrics = json.loads(evaluate(program, folder, again, tmp_path / 'out', *options).out)
    assert metrics['recall']['1'] == 100.0
    assert metrics['model']['weights'] == 'd.npy and d.npy'


@pytest.mark.parametrize(
    ('rows', 'sentence'),
    [
        (np.eye(7, 8), 'one descriptor for each of 8 images, found 7'),
        (np.eye(8, 9), 'expected descriptors of D=8'),
        (np.zeros((8, 8)), 'expected finite descriptors that are not zero'),
        (np.ones(8), 'expected descriptors (N, D) of float numbers'),
    ],
)
def test_descriptors_that_do_not_fit_are_refused(program, folder, again, tmp_path, rows, sentence):
    database = descriptors(tmp_path / 'd.npy', np.eye(8))
    queries = descriptors(tmp_path / 'q.npy', rows)
    outcome = evaluate(
        program, folder, again, tmp_path / 'out', '--descriptors', database, queries
    )
    assert sentence in outcome.error
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('content', 'words'), [(None, 'cannot be read (No such file'), (b'xxx', 'or a damaged file')]
)
def test_a_bad_file_of_descriptors_is_named(program, folder, again, tmp_path, content, words):
    queries = tmp_path / 'q.npy'
    if content is not None:
        queries.write_bytes(content)
    database = descriptors(tmp_path / 'd.npy', np.eye(8))
    options = ('--descriptors', database, queries)
    error = evaluate(program, folder, again, tmp_path / 'out', *options).error
    assert words in error and 'allow_pickle' not in error


def swapped(tmp_path, kind):
    """Query i is at place 7 - i: as names, numbers and flags."""
    pairs = [(number, 7 - number) for number in range(8)]
    path = tmp_path / f'{kind}.{"csv" if "csv" in kind else "npy"}'
    if kind == 'csv_names':
        rows = [f'{query:03d}.jpg,{row:03d}.jpg' for query, row in pairs]
        path.write_text('\n'.join(['query,database', *rows]))
    elif kind == 'csv_numbers':
        path.write_text('\n'.join(['query,database', *(f'{q},{d}' for q, d in pairs)]))
    else:
        np.save(path, np.array(pairs) if kind == 'pairs' else np.eye(8, dtype=bool)[::-1])
    return path


@pytest.mark.parametrize('kind', ['csv_names', 'csv_numbers', 'pairs', 'flags'])
def test_what_is_right_comes_from_a_file(program, folder, again, tmp_path, kind):
    database = descriptors(tmp_path / 'd.npy', np.eye(8))
    queries = descriptors(tmp_path / 'q.npy', np.eye(8)[::-1])
    options = ('--descriptors', database, queries, '--ground-truth', swapped(tmp_path, kind))
    outcome = evaluate(program, folder, again, tmp_path / 'out', *options, '--json')
    metrics = json.loads(outcome.out)
    assert metrics['recall']['1'] == 100.0
    assert metrics['protocol']['ground_truth'] == 'file'


def test_ground_truth_of_another_data_set_is_refused(program, folder, again, tmp_path):
    other = tmp_path / 'other.csv'
    other.write_text('query,database\nnight/1.jpg,day/1.jpg\n')
    error = evaluate(program, folder, again, tmp_path / 'out', '--ground-truth', other).error
    assert "'night/1.jpg' is not a query" in error
    numbers = tmp_path / 'other.npy'
    np.save(numbers, np.array([[0, 1000]]))
    error = evaluate(program, folder, again, tmp_path / 'out', '--ground-truth', numbers).error
    assert 'expected numbers below 8 (query) and 8 (database), found (0, 1000)' in error
    objects = tmp_path / 'objects.npy'
    np.save(objects, np.array([[0, [1, 2]], [1, [3]]], dtype=object), allow_pickle=True)
    error = evaluate(program, folder, again, tmp_path / 'out', '--ground-truth', objects).error
    assert 'as VPR-Bench stores them' in error
    error = evaluate(program, folder, again, tmp_path / 'out', '--ground-truth', 'postion').error
    assert 'postion: expected position, index, or a file of pairs' in error
    assert not (tmp_path / 'out').exists()


def test_what_is_right_is_found_out(program, folder, again, geotagged, tmp_path):
    by_number = evaluate(program, folder, again, tmp_path / 'a', *TINY, '--json')
    assert json.loads(by_number.out)['protocol']['ground_truth'] == 'index'
    assert 'images of the same number are the same place' in by_number.err
    sides = ('--database-where', 'role=database', '--queries-where', 'role=query')
    near = ('--positive-distance-m', 150, '--json')
    located = evaluate(program, geotagged, geotagged, tmp_path / 'b', *sides, *near, *TINY)
    assert json.loads(located.out)['protocol']['ground_truth'] == 'position'


def test_where_nothing_tells_what_is_right_it_states_what_to_add(
    program, folder, geotagged, tmp_path
):
    some = ('--queries-where', 'role=query')
    error = evaluate(program, folder, geotagged, tmp_path / 'out', *some).error
    assert 'a file of pairs as --ground-truth' in error


def test_pairs_for_hloc_and_kapture(program, network, folder, again, tmp_path):
    h5py = pytest.importorskip('h5py')
    options = ('--model', network, '--top-k', 2, '--descriptors')
    same_names = ('--database', folder, '--queries', again, '--out', tmp_path)
    assert 'one image for each name' in program('pairs', *same_names, *options).error
    (tmp_path / 'queries').mkdir()
    for image in again.glob('*.jpg'):
        shutil.copy(image, tmp_path / 'queries' / f'q{image.name}')
    sources = ('--database', folder, '--queries', tmp_path / 'queries', '--out', tmp_path)
    assert program('pairs', *sources, *options).status == 0
    lines = [line.split() for line in (tmp_path / 'pairs.txt').read_text().splitlines()]
    assert [query for query, _ in lines] == [f'q{n // 2:03d}.jpg' for n in range(16)]
    with h5py.File(tmp_path / 'global_descriptor.h5') as file:
        found = file['003.jpg']['global_descriptor'][()]
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)
    with (tmp_path / 'pairs_kapture.csv').open() as file:
        rows = [row for row in csv.reader(file) if not row[0].startswith('#')]
    assert len(rows) == 16
    assert float(rows[0][2]) > float(rows[1][2])


def test_an_image_is_not_its_own_pair(program, network, folder, tmp_path):
    sources = ('--database', folder, '--queries', folder, '--out', tmp_path)
    assert program('pairs', *sources, '--model', network, '--top-k', 3).status == 0
    lines = [line.split() for line in (tmp_path / 'pairs.txt').read_text().splitlines()]
    assert len(lines) == 24
    assert all(query != database for query, database in lines)
