"""Bad input through the commands: one sentence, exit 1, nothing overwritten, nothing left over."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from test.cli.program import TINY, UNTRAINED, snapshot, write_images


@pytest.fixture
def source(tmp_path):
    return write_images(tmp_path / 'source', range(3))


def manifest(source: Path, *rows: str) -> Path:
    (source / 'manifest.csv').write_text('\n'.join(rows) + '\n')
    return source


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own at `folder`; the test is skipped where it cannot be mounted."""
    command = ['mount', '-t', 'tmpfs', *options, 'tmpfs', str(folder)]
    if os.geteuid() != 0 or shutil.which('mount') is None:
        pytest.skip('needs root to mount a small file system')
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip('this machine does not allow mounting')
    try:
        yield folder
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)


@pytest.fixture
def read_only(tmp_path) -> Iterator[Path]:
    folder = tmp_path / 'read_only'
    folder.mkdir()
    with mounted(folder, '-o', 'ro,size=1m'):
        yield folder


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / 'small'
    folder.mkdir()
    with mounted(folder, '-o', 'size=200k'):
        yield folder


def assert_refused(program, tmp_path, *arguments, words):
    """Run, and check the one line and that no file has changed."""
    before = snapshot(tmp_path)
    error = program(*arguments).error
    for word in words:
        assert word in error
    assert snapshot(tmp_path) == before


def test_a_missing_folder(program, tmp_path):
    assert_refused(
        program,
        tmp_path,
        *('build-map', tmp_path / 'nowhere', tmp_path / 'a.map'),
        words=['nowhere', 'no such file or folder'],
    )


def test_an_empty_folder(program, tmp_path):
    (tmp_path / 'empty').mkdir()
    assert_refused(
        program,
        tmp_path,
        *('build-map', tmp_path / 'empty', tmp_path / 'a.map'),
        words=['empty', 'expected images', 'found none'],
    )


def test_a_text_file_named_jpg(program, source, tmp_path):
    (source / '001.jpg').write_text('not an image')
    assert_refused(
        program,
        tmp_path,
        *('build-map', source, tmp_path / 'a.map', *TINY),
        words=['001.jpg', 'expected an image', '12 bytes'],
    )


@pytest.mark.parametrize(
    ('rows', 'words'),
    [
        (['image,latitude', '000.jpg,52'], ['longitude', 'missing']),
        (['name,latitude,longitude', '000.jpg,52,0'], ['image', 'missing']),
        (['image,x,y', '000.jpg,1,2', '001.jpg,one,2'], ['row 3', "'one'"]),
        (['image,latitude,longitude', '000.jpg,95,0'], ['row 2', '95']),
        (['image,x,y', '000.jpg,1,2', '000.jpg,1,2'], ['row 3', 'already listed in row 2']),
        (['image,x,y', 'no.jpg,1,2'], ['row 2', 'no image']),
        (['image,x,y'], ['only the header']),
    ],
)
def test_a_bad_manifest(program, source, tmp_path, rows, words):
    manifest(source, *rows)
    assert_refused(
        program, tmp_path, *('build-map', source, tmp_path / 'a.map', *TINY), words=words
    )


def test_where_names_columns_and_values_that_exist(program, geotagged, tmp_path):
    build = ('build-map', geotagged, tmp_path / 'a.map', '--where')
    assert_refused(program, tmp_path, *build, 'rolle=query', words=["did you mean 'role'"])
    assert_refused(program, tmp_path, *build, 'role=test', words=["'database', 'query'"])


def test_a_map_of_another_model(program, built, folder, query_image, tmp_path):
    from ghost_vpr_ros.cli.main import main
    from ghost_vpr_ros.core.map.place_map import PlaceMap
    from ghost_vpr_ros.core.model.weights import model_from_bytes, save_model

    assert main(['build-map', str(folder), str(tmp_path / 'b.map'), '--seed', '1', *TINY]) == 0
    with PlaceMap.open(tmp_path / 'b.map') as place_map:
        other = model_from_bytes(place_map.model_bytes(), 'b.map')
    save_model(other, tmp_path / 'other.safetensors')
    assert_refused(
        program,
        tmp_path,
        *('query', built, query_image, '--model', tmp_path / 'other.safetensors'),
        words=['walk.map', 'model', other.model_hash[:8]],
    )


def test_a_map_of_another_schema(program, built, query_image, tmp_path):
    path = tmp_path / 'newer.map'
    shutil.copy(built, path)
    with sqlite3.connect(path) as connection:
        connection.execute('PRAGMA user_version = 99')
    connection.close()
    assert_refused(
        program, tmp_path, 'query', path, query_image, words=['newer.map', 'schema', '99']
    )


def test_a_truncated_map(program, built, query_image, tmp_path):
    path = tmp_path / 'half.map'
    path.write_bytes(built.read_bytes()[: built.stat().st_size // 2])
    assert_refused(program, tmp_path, 'query', path, query_image, words=['half.map', 'damaged'])
    assert_refused(program, tmp_path, 'info', path, words=['half.map', 'damaged'])


def test_an_image_in_place_of_a_map(program, query_image, tmp_path):
    assert_refused(
        program, tmp_path, 'query', query_image, query_image, words=['query.jpg', 'not a map']
    )


def test_a_map_in_a_read_only_place(program, folder, again, read_only):
    error = program('build-map', folder, read_only / 'a.map', *TINY).error
    assert 'Read-only file system' in error
    error = program(
        *('evaluate', '--database', folder, '--queries', again, '--ground-truth', 'index'),
        *('--out', read_only / 'out', *TINY),
    ).error
    assert 'Read-only file system' in error
    assert list(read_only.iterdir()) == []


def test_a_full_disk_while_a_map_is_built(program, folder, small_disk):
    (small_disk / 'precious.txt').write_text('keep me')
    error = program('build-map', folder, small_disk / 'a.map', *TINY).error
    assert 'full' in error or 'No space left' in error
    assert [path.name for path in small_disk.iterdir()] == ['precious.txt']


def test_a_full_disk_while_results_are_written(program, folder, again, small_disk):
    (small_disk / 'metrics.json').write_text('of an earlier run')
    (small_disk / 'recall.png').write_text('of an earlier run')
    filler = small_disk / 'filler'
    filler.write_bytes(bytes(180_000))
    error = program(
        *('evaluate', '--database', folder, '--queries', again, '--ground-truth', 'index'),
        *('--out', small_disk, *TINY),
    ).error
    assert 'No space left on device' in error
    assert (small_disk / 'metrics.json').read_text() == 'of an earlier run'
    assert (small_disk / 'recall.png').read_text() == 'of an earlier run'
    assert not list(small_disk.glob('.*'))


def test_weights_with_a_missing_tensor(program, built, folder, tmp_path):
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    whole, part = tmp_path / 'whole.safetensors', tmp_path / 'part.safetensors'
    with PlaceMap.open(built) as place_map:
        whole.write_bytes(place_map.model_bytes())
    with safe_open(whole, 'numpy') as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())[1:]}
        save_file(tensors, part, file.metadata())
    words = ['part.safetensors', 'expected content with hash', 'damaged']
    build = ('build-map', folder, tmp_path / 'a.map', '--model', part)
    assert_refused(program, tmp_path, *build, words=words)
    assert_refused(program, tmp_path, 'info', part, words=words)


def test_weights_that_are_not_there(program, folder, tmp_path):
    build = ('build-map', folder, tmp_path / 'a.map', '--model', tmp_path / 'no.safetensors')
    assert_refused(program, tmp_path, *build, words=['no.safetensors', 'No such file'])


def test_a_bag_without_the_topic_lists_ready_options(program, built, folder, tmp_path):
    program('make-bag', folder, tmp_path / 'bag')
    replay = ('replay', tmp_path / 'bag', '--map', built, '--out', tmp_path / 'out')
    assert_refused(
        program,
        tmp_path,
        *replay,
        *('--image-topic', '/front/image'),
        words=['/front/image', '--image-topic /camera/image/compressed'],
    )


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_truncated_bag(program, built, folder, tmp_path, storage):
    program('make-bag', folder, tmp_path / 'bag', '--storage', storage)
    (data,) = (path for path in (tmp_path / 'bag').iterdir() if path.suffix in ('.mcap', '.db3'))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    replay = ('replay', tmp_path / 'bag', '--map', built, '--out', tmp_path / 'out')
    assert_refused(program, tmp_path, *replay, words=['bag'])


def test_a_folder_where_a_file_belongs(program, folder, again, tmp_path):
    (tmp_path / 'out').write_text('mine')
    assert_refused(
        program,
        tmp_path,
        *('evaluate', '--database', folder, '--queries', again, '--ground-truth', 'index'),
        *('--out', tmp_path / 'out', *TINY),
        words=['out', 'cannot be written'],
    )


def test_a_folder_where_a_map_belongs(program, folder, tmp_path):
    assert 'is a folder; name a file in it' in program('build-map', folder, tmp_path, *TINY).error


def test_a_device_that_is_not_there(program, built, query_image, tmp_path):
    query = ('query', built, query_image, '--device', 'cuda:99')
    assert_refused(program, tmp_path, *query, words=['cuda:99', 'CUDA devices'])


def test_a_setting_out_of_range(program, built, query_image, tmp_path):
    query = ('query', built, query_image, '--top-k', '0')
    assert_refused(program, tmp_path, *query, words=['top_k', '1 .. 1000', '0'])


def test_more_images_for_the_clusters_than_are_ever_used(program, folder, tmp_path):
    build = ('build-map', folder, tmp_path / 'a.map', *UNTRAINED, '--initialisation-images', '501')
    assert_refused(program, tmp_path, *build, words=['initialisation_images', '1 .. 500', '501'])
