"""Descriptors of a large source: by several processes, killed and continued, used by a map."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.weights import save_model
from ghost_vpr_ros.replay.descriptors import shard_work
from ghost_vpr_ros.replay.descriptors.plan import read_plan
from ghost_vpr_ros.replay.descriptors.shard_processes import spread_device, threads_of_each
from ghost_vpr_ros.replay.descriptors.stored import StoredDescriptors
from test.cli.program import TINY, picture, write_images
from test.cli.test_build_map import wait_until
from test.core.model.tiny_model import tiny_model

SMALL = ['--shard-frames', '3', *TINY]


@pytest.fixture(scope='module')
def described(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The eight images of `folder` in shards of 3, 3 and 2, by one process; not written to."""
    from ghost_vpr_ros.cli.main import main

    path = tmp_path_factory.mktemp('described') / 'walk'
    assert main(['describe', str(folder), '--out', str(path), *SMALL]) == 0
    return path


def shards_of(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((path / 'shards').iterdir())}


def test_the_shards_are_what_a_map_of_the_same_images_holds(described, built):
    stored = StoredDescriptors(described)
    with PlaceMap.open(built) as place_map:
        expected = place_map.descriptors()
    shards = [stored.plan.load_shard(number) for number in range(3)]
    assert [len(shard) for shard in shards] == [3, 3, 2]
    assert np.allclose(np.concatenate(shards), expected, atol=1e-5)
    assert np.array_equal(stored.row(7), shards[2][1])
    assert len(stored) == 8


def test_two_processes_give_the_bytes_of_one(program, folder, described, tmp_path):
    out = tmp_path / 'two'
    outcome = program('describe', folder, '--out', out, '--workers', 2, '--json', *SMALL)
    assert json.loads(outcome.out)['images'] == 8
    assert shards_of(out) == shards_of(described)


def test_half_precision_takes_half_the_space(program, folder, described, tmp_path):
    program('describe', folder, '--out', tmp_path / 'half', '--dtype', 'float16', *SMALL)
    half, full = StoredDescriptors(tmp_path / 'half'), StoredDescriptors(described)
    assert half.plan.load_shard(0).dtype == np.float16
    assert half.row(5).dtype == np.float32
    assert np.allclose(half.row(5), full.row(5), atol=1e-3)


@pytest.mark.slow
def test_a_run_ended_by_sigkill_is_continued_to_the_same_bytes(program, tmp_path):
    source = write_images(tmp_path / 'walk', range(200))
    options = ['--shard-frames', '2', '--workers', '2', '--initialisation-images', '4', *TINY]
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    script = 'from ghost_vpr_ros.cli.main import main; main()'
    process = subprocess.Popen(
        [sys.executable, '-c', script, 'describe', str(source), '--out', str(killed), *options]
    )
    assert wait_until(lambda: len(list(killed.glob('shards/*.npy'))) > 3)
    process.kill()
    process.wait()
    assert wait_until(lambda: not is_leased(killed))
    before = len(list(killed.glob('shards/*.npy')))
    assert 3 < before < 100
    options[3] = '1'
    outcome = program('describe', source, '--out', killed, '--json', *options)
    assert json.loads(outcome.out)['images_described_before'] == 2 * before
    program('describe', source, '--out', whole, *options)
    assert shards_of(killed) == shards_of(whole)


def is_leased(folder: Path) -> bool:
    """Whether a process that lost its parent still describes a shard."""
    for path in folder.glob('shards/*.lock'):
        with path.open('ab') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def test_a_shard_that_another_one_holds_is_waited_for_until_its_lock_is_free(
    program, folder, described, tmp_path, monkeypatch
):
    out = tmp_path / 'out'
    program('describe', folder, '--out', out, *SMALL)
    (out / 'shards' / '000001.npy').unlink()
    lock = (out / 'shards' / '000001.lock').open('wb')
    fcntl.flock(lock, fcntl.LOCK_EX)
    waits = []

    def wait(_: float) -> None:
        waits.append((out / 'shards' / '000001.npy').exists())
        lock.close()

    monkeypatch.setattr(shard_work.time, 'sleep', wait)
    assert program('describe', folder, '--out', out, *SMALL).status == 0
    assert waits == [False]
    assert shards_of(out) == shards_of(described)


@pytest.mark.parametrize('workers', [1, 2])
def test_a_bad_first_image_binds_the_folder_to_nothing(program, tmp_path, workers):
    source = write_images(tmp_path / 'walk', range(4))
    first = min(source.iterdir())
    first.write_bytes(b'no image')
    out = tmp_path / 'out'
    words = ('describe', source, '--out', out, '--workers', workers, '--shard-frames', 9)
    weights = tmp_path / 'tiny.safetensors'
    save_model(tiny_model(), weights)
    error = program(*words, '--model', weights).error
    assert first.name in error and 'remove the image and give the command again' in error
    assert not out.exists()
    first.unlink()
    assert program(*words, '--model', weights).status == 0


def test_a_plan_that_another_process_works_on_stays(program, folder, described, tmp_path):
    out = tmp_path / 'out'
    shutil.copytree(described, out)
    plan = read_plan(out)
    for shard in out.glob('shards/*.npy'):
        shard.unlink()
    with (out / 'shards' / '000000.lock').open('wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shard_work.remove_unused(plan)
        assert plan.files[0].is_file()
    shard_work.remove_unused(plan)
    assert list(out.iterdir()) == []


def test_a_changed_source_or_model_is_refused(program, folder, described, tmp_path):
    source = write_images(tmp_path / 'walk', range(9))
    error = program('describe', source, '--out', described, *SMALL).error
    assert 'expected the 8 images' in error
    error = program('describe', folder, '--out', described, *SMALL, '--seed', 1).error
    assert 'begun with model' in error


def test_another_option_is_refused(program, folder, described):
    error = program('describe', folder, '--out', described, '--dtype', 'float16', *SMALL).error
    assert 'begun with dtype float32, found float16' in error
    error = program('describe', folder, '--out', described, '--shard-frames', 4, *TINY).error
    assert 'begun with shard frames 3, found 4' in error


def test_another_image_under_the_same_name_is_refused(program, folder, described, tmp_path):
    changed, weights = tmp_path / 'walk', described / 'model.safetensors'
    shutil.copytree(folder, changed)
    (changed / '007.jpg').write_bytes(encode_jpeg(picture(99), 95))
    options = ['--shard-frames', '3', '--model', weights]
    error = program('describe', changed, '--out', described, *options).error
    assert '007.jpg is another image' in error
    error = program('build-map', changed, tmp_path / 'a.map', '--descriptors', described).error
    assert '007.jpg is another image' in error
    assert not (tmp_path / 'a.map').exists()


@pytest.mark.parametrize('workers', [1, 2])
def test_a_bad_image_is_named_and_what_is_finished_stays(program, tmp_path, workers):
    source = write_images(tmp_path / 'walk', range(8))
    (source / '006.jpg').write_text('no image')
    options = [*SMALL, '--initialisation-images', '2', '--workers', workers]
    error = program('describe', source, '--out', tmp_path / 'out', *options).error
    assert '006.jpg' in error
    assert 'give the command again to continue' in error
    with pytest.raises(SourceError, match='shards are not described yet'):
        StoredDescriptors(tmp_path / 'out')


def test_a_map_takes_stored_descriptors_bit_by_bit(program, folder, described, tmp_path):
    path = tmp_path / 'a.map'
    assert program('build-map', folder, path, '--descriptors', described).status == 0
    stored = StoredDescriptors(described)
    with PlaceMap.open(path) as place_map:
        assert np.array_equal(
            place_map.descriptors(), np.array([stored.row(number) for number in range(8)])
        )
        assert place_map.model_hash == stored.plan.model_hash
        assert place_map.view(3)[:2] == b'\xff\xd8'


def test_a_map_without_views_reads_only_two_of_the_images(
    program, folder, described, tmp_path, monkeypatch
):
    from ghost_vpr_ros.replay.sources import image_sources

    read, names = image_sources.read_image, []

    def counted(path, *limits):
        names.append(path.name)
        return read(path, *limits)

    monkeypatch.setattr(image_sources, 'read_image', counted)
    monkeypatch.setattr('ghost_vpr_ros.replay.sources.exif_gps.read_image', counted)
    options = ['--descriptors', described, '--view-width-px', 0]
    assert program('build-map', folder, tmp_path / 'a.map', *options).status == 0
    assert names == ['000.jpg', '007.jpg']


def test_descriptors_of_other_images_or_beside_a_model_are_refused(
    program, again, described, tmp_path
):
    more = write_images(tmp_path / 'walk', range(9))
    error = program('build-map', more, tmp_path / 'a.map', '--descriptors', described).error
    assert '008.jpg is not among its 8 images' in error
    options = ['--descriptors', described, '--model', 'untrained']
    assert 'leave one' in program('build-map', again, tmp_path / 'a.map', *options).error
    missing = ['--descriptors', tmp_path]
    assert 'descriptors.json' in program('build-map', again, tmp_path / 'b', *missing).error


def test_a_damaged_shard_is_named(described, tmp_path):
    shutil.copytree(described, tmp_path / 'copy')
    (tmp_path / 'copy' / 'shards' / '000001.npy').write_bytes(b'')
    stored = StoredDescriptors(tmp_path / 'copy')
    assert len(stored.row(0)) == stored.plan.descriptor_dim
    with pytest.raises(SourceError, match=r'000001\.npy.*remove this file'):
        stored.row(4)


def test_processes_share_cores_and_devices(monkeypatch):
    monkeypatch.setattr('os.sched_getaffinity', lambda _: set(range(8)))
    assert [threads_of_each(n) for n in (1, 3, 8, 20)] == [8, 2, 1, 1]
    assert [spread_device(n, 2) for n in range(3)] == ['cuda:0', 'cuda:1', 'cuda:0']
    assert spread_device(0, 0) == 'cuda'
