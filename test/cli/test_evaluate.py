"""Evaluation: figures, files and protocols."""

import csv
import json

import pytest
import torch

from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.rootsift_file import save_rootsift
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftConfig, RootSiftVlad
from test.cli.program import TINY, write_images


def evaluate(program, out, database, queries, ground_truth, *options):
    sources = ['--database', database, '--queries', queries, '--ground-truth', ground_truth]
    return program('evaluate', *sources, '--out', out, *TINY, *options)


@pytest.fixture
def metrics_of(program, tmp_path):
    def run(*arguments):
        assert evaluate(program, tmp_path / 'out', *arguments).status == 0
        return json.loads((tmp_path / 'out' / 'metrics.json').read_text())

    return run


def test_the_same_places_in_other_light_are_all_found(metrics_of, folder, again):
    metrics = metrics_of(folder, again, 'index', '--tolerance', 0)
    assert metrics['recall'] == {'1': 100.0, '5': 100.0, '10': 100.0, '20': 100.0, '25': 100.0}
    assert metrics['average_precision'] == 1.0
    assert metrics['recall_at_100_precision'] == 100.0
    assert (metrics['num_queries'], metrics['num_database']) == (8, 8)
    assert metrics['num_queries_without_positives'] == 0


def test_metrics_name_model_protocol_size_and_latency(metrics_of, folder, again):
    metrics = metrics_of(folder, again, 'index', '--tolerance', 1)
    assert metrics['descriptor_dim'] == 4 * 160
    assert metrics['model']['weights'].startswith('untrained: random weights of seed 0')
    assert metrics['protocol']['ground_truth'] == 'index'
    assert metrics['protocol']['tolerance'] == 1
    assert set(metrics['latency_ms']) == {'load', 'preprocess', 'describe', 'search'}
    assert set(metrics['latency_ms']['search']) == {'p50', 'p95'}


def test_queries_without_a_place_in_the_database_are_counted_apart(metrics_of, folder, tmp_path):
    longer = write_images(tmp_path / 'longer', range(10), gain=0.8)
    metrics = metrics_of(folder, longer, 'index', '--tolerance', 0)
    assert metrics['num_queries'] == 10
    assert metrics['num_queries_without_positives'] == 2
    assert metrics['recall']['1'] == 100.0
    assert metrics['average_precision'] > 0.5


def test_one_panorama_is_never_matched_with_itself(metrics_of, geotagged, tmp_path):
    """Database and queries of one panorama are the only ones near each other: nothing is left."""
    far = ['--positive-distance-m', 120]
    metrics = metrics_of(geotagged, geotagged, 'position', *far)
    assert metrics['protocol']['panorama_pairs'] == 16
    with (tmp_path / 'out' / 'per_query.csv').open() as file:
        rows = list(csv.DictReader(file))
    own_panorama = {
        f'{i:03d}.jpg': {f'{2 * (i // 2) + j:03d}.jpg' for j in (0, 1)} for i in range(8)
    }
    assert all(not own_panorama[r['query']] & set(r['candidates'].split(';')) for r in rows)
    assert [int(row['num_positives']) for row in rows] == [2, 2, 4, 4, 4, 4, 2, 2]


def test_where_chooses_rows_of_each_side(metrics_of, geotagged):
    roles = ['--database-where', 'role=database', '--queries-where', 'role=query']
    metrics = metrics_of(geotagged, geotagged, 'position', '--positive-distance-m', 120, *roles)
    assert (metrics['num_queries'], metrics['num_database']) == (4, 4)


def test_all_files_are_written_and_the_pictures_are_pictures(program, folder, again, tmp_path):
    out = tmp_path / 'out'
    evaluate(program, out, folder, again, 'index')
    pictures = {'recall.png', 'precision_recall.png', 'worst_failures.jpg', 'matches.jpg'}
    written = {path.name for path in out.iterdir()}
    assert written == pictures | {'metrics.json', 'per_query.csv', 'report.html'}
    assert all(read_image(out / name).shape[1] > 300 for name in pictures)


def test_the_table_holds_what_the_json_holds(program, folder, again, tmp_path):
    text = evaluate(program, tmp_path / 'out', folder, again, 'index', '--tolerance', 0).out
    assert 'recall (%)  100.0' in text
    assert 'untrained: random weights' in text


def test_json_output_is_the_content_of_the_file(program, folder, again, tmp_path):
    outcome = evaluate(program, tmp_path / 'out', folder, again, 'index', '--json')
    assert json.loads(outcome.out) == json.loads((tmp_path / 'out' / 'metrics.json').read_text())


def test_two_runs_give_the_same_table_of_queries(program, folder, again, tmp_path):
    for name in ('a', 'b'):
        evaluate(program, tmp_path / name, folder, again, 'index')
    first, second = ((tmp_path / n / 'per_query.csv').read_bytes() for n in ('a', 'b'))
    assert first == second


def test_images_without_a_position_are_left_out_aloud(program, geotagged, tmp_path):
    gappy = write_images(tmp_path / 'gappy', range(3))
    rows = ['image,latitude,longitude', '000.jpg,52,0.1', '001.jpg,,', '002.jpg,52.001,0.1']
    (gappy / 'manifest.csv').write_text('\n'.join(rows))
    outcome = evaluate(program, tmp_path / 'out', geotagged, gappy, 'position', '--json')
    metrics = json.loads(outcome.out)
    assert (metrics['num_queries'], metrics['num_queries_without_position']) == (2, 1)
    assert metrics['num_database_without_position'] == 0
    assert 'gappy: 1 of 3 images lack a position, left out' in outcome.err


def test_an_image_listed_twice_names_the_filters_of_this_command(program, folder, tmp_path):
    twice = write_images(tmp_path / 'twice', range(1))
    (twice / 'manifest.csv').write_text('image,run\n000.jpg,1\n000.jpg,2\n')
    assert '--queries-where' in evaluate(program, tmp_path / 'a', folder, twice, 'index').error
    chosen = evaluate(program, tmp_path / 'b', folder, twice, 'index', '--queries-where', 'run=2')
    assert chosen.status == 0


def test_ground_truth_by_position_needs_positions(program, folder, again, tmp_path):
    error = evaluate(program, tmp_path / 'out', folder, again, 'position').error
    assert 'no position' in error
    assert not (tmp_path / 'out').exists()


def test_sources_of_different_places_are_refused(program, geotagged, tmp_path):
    elsewhere = write_images(tmp_path / 'elsewhere', range(1))
    (elsewhere / 'manifest.csv').write_text('image,latitude,longitude\n000.jpg,10,10\n')
    error = evaluate(program, tmp_path / 'out', geotagged, elsewhere, 'position').error
    assert 'found a positive for none of 1' in error


def test_places_too_near_each_other_to_be_wrong_are_told(program, geotagged, tmp_path):
    options = ('--database', geotagged, '--queries', geotagged, *TINY)
    words = 'warning: all 8 database images are right for every query (within 1000 m)'
    near = program('evaluate', *options, '--positive-distance-m', 1000, '--out', tmp_path / 'near')
    assert words in near.err
    far = program('evaluate', *options, '--positive-distance-m', 25, '--out', tmp_path / 'far')
    assert 'right for every query' not in far.err


def test_weights_and_an_architecture_contradict_each_other(program, folder, again, tmp_path):
    error = evaluate(
        program, tmp_path / 'out', folder, again, 'index', '--model', 'a.safetensors'
    ).error
    assert 'fixed by the weights' in error


def test_re_ranking_tells_recall_before_and_after(program, folder, again, tmp_path):
    second_look = ['--rerank', 'patch-netvlad', '--rerank-candidates', 3, '--patch-sizes', 1, 2, 2]
    second_look += ['--width-px', 96, '--height-px', 96]
    outcome = evaluate(
        program, tmp_path / 'out', folder, again, 'index', '--tolerance', 0, *second_look
    )
    metrics = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert metrics['recall_before_reranking']['1'] == 100.0
    assert metrics['protocol']['rerank_candidates'] == 3
    assert metrics['protocol']['patch_sizes'] == [1, 2, 2]
    assert {'patches', 'rerank'} < set(metrics['latency_ms'])
    assert 'before re-ranking' in outcome.out


def test_settings_of_a_second_look_without_one_are_refused(program, folder, again, tmp_path):
    error = evaluate(
        program, tmp_path / 'out', folder, again, 'index', '--patch-scoring', 'rapid'
    ).error
    assert error.startswith('--patch-scoring: nothing is re-ranked')


@pytest.fixture
def rootsift(tmp_path):
    model = RootSiftVlad(RootSiftConfig(step_px=16, clusters=2, descriptor_dim=4), 64, 64)
    generator = torch.Generator().manual_seed(0)
    model.set_centres(torch.rand(2, 128, generator=generator) / 8.0)
    model.whitening.fit(torch.randn(8, 256, generator=generator))
    model.provenance = 'centres at random'
    save_rootsift(model, tmp_path / 'rootsift.safetensors')
    return tmp_path / 'rootsift.safetensors'


def test_the_baseline_without_a_network_is_a_model(program, folder, again, rootsift, tmp_path):
    sources = ['--database', folder, '--queries', again, '--ground-truth', 'index']
    out = ['--out', tmp_path / 'out', '--model', rootsift]
    metrics = json.loads(program('evaluate', *sources, *out, '--tolerance', 0, '--json').out)
    assert metrics['recall']['1'] == 100.0
    assert metrics['model']['name'] == 'RootSIFT-VLAD, K=2, 64x64, 4-D'
    assert metrics['model']['weights'] == 'centres at random'
    refused = program('evaluate', *sources, *out, '--rerank', 'patch-netvlad').error
    assert 'found RootSIFT-VLAD' in refused


def test_a_drive_compared_with_itself_is_told_however_its_path_is_spelt(program, folder, tmp_path):
    (tmp_path / 'link').symlink_to(folder)
    for again in (folder, folder / '..' / folder.name, tmp_path / 'link'):
        done = evaluate(program, tmp_path / 'out', folder, again, 'index')
        assert done.err.count('find themselves') == 1


def test_images_of_panoramas_cannot_find_themselves(program, geotagged, tmp_path):
    done = evaluate(program, tmp_path / 'out', geotagged, geotagged, 'position')
    assert 'find themselves' not in done.err
