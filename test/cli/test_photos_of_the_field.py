"""What photos from phones, cameras and disks hand to the commands, from end to end."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.cli.program import TINY, picture
from test.replay.sources.photos import save_photo

ODD_NAMES = (b'1.png', b'caf\xe9.png', b'two\nlines.png', 'straße €.png'.encode())


def folder_of(path: Path, names: tuple[bytes, ...], bits: int = 8) -> Path:
    path.mkdir(parents=True)
    for number, name in enumerate(names):
        pixels = picture(number).astype(np.uint16) << (bits - 8)
        data = cv2.imencode('.png', pixels if bits > 8 else pixels.astype(np.uint8))[1]
        (path / os.fsdecode(name)).write_bytes(data.tobytes())
    return path


def test_names_of_any_bytes_go_through_every_command(program, tmp_path: Path) -> None:
    photos, out, path = (
        folder_of(tmp_path / 'odd', ODD_NAMES),
        tmp_path / 'out',
        tmp_path / 'a.map',
    )
    same = ['--ground-truth', 'index', '--out', out]
    assert program('evaluate', '--database', photos, '--queries', photos, *same, *TINY).status == 0
    assert r'caf\xe9.png' in (out / 'per_query.csv').read_text('utf-8')
    assert program('build-map', photos, path, *TINY).status == 0
    again = program('build-map', photos, path, '--append', '--json', *TINY)
    assert json.loads(again.out)['keyframes_added'] == 0
    described = ['describe', photos, '--out', tmp_path / 'described', *TINY]
    assert program(*described).status == 0
    assert program(*described).status == 0
    assert program('make-bag', photos, tmp_path / 'bag').status == 0
    query = program('query', path, photos / os.fsdecode(ODD_NAMES[1]))
    assert json.loads(query.out.splitlines()[0])['name'] == r'caf\xe9.png'


def test_a_folder_whose_own_name_is_no_text_works_too(program, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / os.fsdecode(b'f\xe9\n1'), (b'1.png', b'2.png'))
    path = tmp_path / 'a.map'
    assert program('build-map', photos, path, *TINY).status == 0
    with PlaceMap.open(path) as place_map:
        assert [session.name for session in place_map.sessions()] == [r'f\xe9\n1']
    same = ['--ground-truth', 'index', '--out', tmp_path / 'out']
    assert program('evaluate', '--database', photos, '--queries', photos, *same, *TINY).status == 0


def test_black_pictures_become_a_map_but_not_without_a_word(program, tmp_path: Path) -> None:
    folder_of(tmp_path / 'drive', (b'1.png', b'2.png'))
    for name in ('3.png', '4.png'):
        cv2.imwrite(str(tmp_path / 'drive' / name), np.zeros((48, 64, 3), np.uint8))
    outcome = program('build-map', tmp_path / 'drive', tmp_path / 'a.map', *TINY)
    assert outcome.status == 0
    assert '2 images (3.png, 4.png) of 4 nearly of one colour (lens cap' in outcome.err


@pytest.mark.parametrize('bits', [10, 12, 14])
def test_a_camera_of_more_bits_is_described_as_one_of_eight(program, tmp_path, bits) -> None:
    names = (b'1.png', b'2.png', b'3.png')
    eight, deep = folder_of(tmp_path / 'eight', names), folder_of(tmp_path / 'deep', names, bits)
    path = tmp_path / 'a.map'
    assert program('build-map', eight, path, *TINY).status == 0
    outcome = program('query', path, deep / '2.png')
    best = json.loads(outcome.out.splitlines()[0])
    assert best['name'] == '2.png'
    assert best['similarity'] > 0.99
    assert best['reason'] != 'IMAGE_QUALITY'


def test_what_is_left_out_is_said_once(program, tmp_path: Path) -> None:
    tags = {'lat': (33.0, 51.0, 0.0), 'lon_ref': 'E', 'lon': (151.0, 12.0, 0.0)}
    for number in range(3):
        save_photo(tmp_path / 'p' / f'{number}.jpg', lat_ref='S', **tags)
    save_photo(tmp_path / 'p' / '3.jpg', **tags)
    (tmp_path / 'p' / 'film.mov').touch()
    outcome = program('build-map', tmp_path / 'p', tmp_path / 'a.map', '--json', *TINY)
    assert json.loads(outcome.out)['keyframes_added'] == 3
    warnings = [line for line in outcome.err.splitlines() if line.startswith('warning: ')]
    assert len(warnings) == 3
    assert '1 video (.mp4 .mov .avi) left out; take single images out' in warnings[0]
    assert '1 image (3.jpg): a latitude with no reference' in warnings[1]
    assert '1 of 4 images lack a position' in warnings[2]


def test_the_largest_image_is_a_setting(program, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / 'p', (b'1.png', b'2.png'))
    limit = ['--max-image-megapixels', '0.01']
    cv2.imwrite(str(photos / '2.png'), np.zeros((200, 200, 3), np.uint8))
    error = program('build-map', photos, tmp_path / 'a.map', *limit, *TINY).error
    assert '2.png: 200 x 200 px' in error
    assert 'raise max_image_megapixels' in error
    described = ['describe', photos, '--out', tmp_path / 'd', '--workers', 2, *limit, *TINY]
    assert '2.png: 200 x 200 px' in program(*described).error
