"""Queries answer in JSON lines and pictures."""

import json
import shutil

import pytest

from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model import weights
from test.cli.program import TINY, snapshot


def test_the_right_keyframe_comes_first(program, built, query_image):
    outcome = program('query', built, query_image, '--top-k', 3)
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert [line['rank'] for line in lines] == [1, 2, 3]
    assert (lines[0]['keyframe_id'], lines[0]['name']) == (4, '003.jpg')
    assert lines[0]['similarity'] >= lines[1]['similarity']
    assert lines[0]['position_m'] is None


def test_positions_of_the_map_are_in_the_answer(program, geotagged, query_image, tmp_path):
    path = tmp_path / 'a.map'
    program('build-map', geotagged, path, *TINY)
    line = json.loads(program('query', path, query_image).out.splitlines()[0])
    assert line['latitude_deg'] == 52.001
    assert abs(line['position_m'][1] - 111.27) < 0.1


def test_one_block_of_lines_for_each_image(program, built, query_image, folder):
    outcome = program('query', built, query_image, folder / '000.jpg', '--top-k', 1)
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert [line['name'] for line in lines] == ['003.jpg', '000.jpg']


def test_a_folder_stands_for_its_images(program, built, folder, tmp_path):
    outcome = program('query', built, folder, '--top-k', 1)
    names = [json.loads(line)['name'] for line in outcome.out.splitlines()]
    assert names == sorted(path.name for path in folder.glob('*.jpg'))
    (tmp_path / 'empty').mkdir()
    assert 'expected images in this folder' in program('query', built, tmp_path / 'empty').error


def test_the_sheet_is_a_picture_of_query_and_candidates(program, built, query_image, tmp_path):
    sheet = tmp_path / 'sheet.jpg'
    assert program('query', built, query_image, '--sheet', sheet).status == 0
    height_px, width_px = read_image(sheet).shape[:2]
    assert width_px > 4 * 240
    assert height_px > 180


def test_attention_shows_query_and_best_candidate_with_their_cells(
    program, built, query_image, tmp_path
):
    picture = tmp_path / 'cells.jpg'
    assert program('query', built, query_image, '--attention', picture).status == 0
    width_px = read_image(picture).shape[1]
    assert 4 * 240 < width_px < 5 * 280
    assert (
        'one of the images'
        in program('query', built, query_image, '--attention', query_image).error
    )


def test_attention_loads_the_network_no_more_often_for_more_images(
    program, built, query_image, folder, tmp_path, monkeypatch
):
    loaded, load = [], weights.load_network
    monkeypatch.setattr(weights, 'load_network', lambda stored: loaded.append(1) or load(stored))
    counts = []
    for images in [(query_image,), (query_image, folder / '000.jpg')]:
        loaded.clear()
        program('query', built, *images, '--attention', tmp_path / 'cells.jpg')
        counts.append(len(loaded))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    ('name', 'what'), [('a.map', 'the map'), ('w.safetensors', 'the weights file')]
)
def test_the_sheet_never_replaces_map_or_weights(
    program, built, query_image, tmp_path, name, what
):
    shutil.copy(built, tmp_path / 'a.map')
    (tmp_path / 'w.safetensors').write_bytes(b'weights')
    before = snapshot(tmp_path)
    command = ('query', tmp_path / 'a.map', query_image, '--model', tmp_path / 'w.safetensors')
    assert f'is {what}' in program(*command, '--sheet', tmp_path / name).error
    assert snapshot(tmp_path) == before


def test_the_sheet_never_replaces_an_image_that_is_asked_for(program, built, query_image):
    before = snapshot(query_image.parent)
    assert (
        'is one of the images'
        in program('query', built, query_image, '--sheet', query_image).error
    )
    assert snapshot(query_image.parent) == before


def test_people_get_a_table_programs_json(program, built, query_image):
    asked = ('query', built, query_image, '--top-k', 2)
    lines = program(*asked, '--no-json').out.splitlines()
    assert lines[0].startswith(f'{query_image}: TENTATIVE (UNCALIBRATED)')
    assert lines[1].split() == ['rank', 'similarity', 'probability', 'session', 'image']
    assert lines[2].split()[0] == '1'
    assert lines[2].split()[-1] == '003.jpg'
    assert lines[2].split()[2] == '-'
    assert len(lines) == 4
    assert json.loads(program(*asked).out.splitlines()[0])['rank'] == 1
