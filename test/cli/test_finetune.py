"""`ghost-vpr finetune`: what it writes, what it refuses, and how it continues."""

import errno
import fcntl
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.model.weights import load_model, save_model
from test.cli.program import Program, write_images
from test.core.model.tiny_model import tiny_model
from test.replay.small_bags import START_NS, fix, image, write_records
from test.training.tiny_places import write_places

DISTANCES = ('--positive-distance-m', '7', '--negative-distance-m', '8')
ENGINE = 'ghost_vpr_ros.core.engine.torch_engine.TorchEngine'


@pytest.fixture(scope='module')
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('weights') / 'start.safetensors'
    save_model(tiny_model(descriptor_dim=6), path)
    return path


@pytest.fixture(scope='module')
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_places(tmp_path_factory.mktemp('data') / 'places')


def test_it_writes_weights_that_build_a_map(
    program: Program, places: Path, start: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'mine.safetensors'
    words = (places, *DISTANCES, '--model', start, '--steps', '3', '--out', out)
    done = program('finetune', *words)
    assert done.status == 0, done.err
    assert 'recall@1' in done.out and f'--model {out}' in done.out
    assert load_model(out).config.descriptor_dim == 6
    assert not list(tmp_path.glob('.*'))
    assert 'exists already' in program('finetune', *words).error
    built = program('build-map', places, tmp_path / 'p.map', '--model', out)
    assert built.status == 0, built.err


def test_weights_that_do_not_get_better_are_those_of_the_start(
    program: Program, places: Path, start: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'mine.safetensors'
    words = (places, *DISTANCES, '--model', start, '--steps', '1', '--learning-rate', '0')
    done = program('finetune', *words, '--out', out, '--json')
    assert '"is_better": false' in done.out
    assert out.read_bytes() == start.read_bytes()


def test_what_cannot_be_used_is_refused_before_the_images_are_described(
    program: Program, places: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENGINE, None)
    bare = write_images(tmp_path / 'bare', range(4))
    bag = write_records(tmp_path / 'bag', [fix(START_NS, 0.0, 0.1)])
    loop = write_records(tmp_path / 'loop', _drive([0, 30, 60, 90]))
    mistakes = {
        (tmp_path / 'nowhere',): 'no such file or folder',
        (bare,): 'expected images with positions',
        (bag,): 'expected a topic with messages of type Image',
        (loop,): 'visited more than once, found none of 4 images',
        (places, places): 'is named twice',
        (places, '--negative-distance-m', '600'): 'more than 1200 m apart',
        (places, '--model', 'torchvision:resnet18'): 'networks of this package',
        (places, '--queries-where', 'role=nobody'): 'no row',
    }
    out = tmp_path / 'mine.safetensors'
    for words, sentence in mistakes.items():
        error = program('finetune', *words, '--out', out).error
        assert sentence in error, error
    assert 'make the folder' in program('finetune', places, '--out', tmp_path / 'a' / 'b').error
    assert not out.exists() and not list(tmp_path.glob('.*'))


def _drive(metres: list[int], first_s: int = 0) -> list:
    records = []
    for number, north_m in enumerate(metres):
        stamp_ns = START_NS + (first_s + number) * 10**9
        records += [image(number, stamp_ns), fix(stamp_ns, north_m / 111_120, 0.1)]
    return records


def test_bags_of_two_drives_are_places(program: Program, start: Path, tmp_path: Path) -> None:
    metres = [30 * n for n in range(12)]
    bags = [write_records(tmp_path / day, _drive(metres)) for day in ('monday', 'tuesday')]
    out = tmp_path / 'mine.safetensors'
    done = program('finetune', *bags, '--model', start, '--steps', '2', '--out', out)
    assert done.status == 0, done.err
    assert '24 images: ' in done.err and 'queries judge roughly' in done.err
    assert out.is_file()


def test_an_interrupted_run_continues_with_its_descriptors(
    program: Program, places: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / 'mine.safetensors'
    words = ('finetune', places, *DISTANCES, '--model', start, '--steps', '3', '--out', out)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('ghost_vpr_ros.replay.fine_tuning.fitting.train_projection', interrupt)
        stopped = program(*words)
    assert stopped.status == 130
    assert 'give the same command again to continue' in stopped.err
    assert list(tmp_path.glob('.*')) == [tmp_path / '.mine.safetensors.finetune']
    # Nothing is described again.
    monkeypatch.setattr(f'{ENGINE}.describe', interrupt)
    assert program(*words).status == 0
    assert out.is_file() and not list(tmp_path.glob('.*'))


def test_a_changed_folder_is_described_anew(
    program: Program, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_places(tmp_path / 'places')
    out = tmp_path / 'mine.safetensors'
    words = ('finetune', own, *DISTANCES, '--model', start, '--steps', '3', '--out', out)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('ghost_vpr_ros.replay.fine_tuning.fitting.train_projection', interrupt)
        assert program(*words).status == 130
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert cv2.imwrite(str(own / 'new.png'), noise)
    with (own / 'manifest.csv').open('a') as file:
        file.write('new.png,50.02,4.0,val,database\n')
    done = program(*words)
    assert done.status == 0, done.err
    assert not list(tmp_path.glob('.*'))


def test_an_unreadable_image_is_named_and_may_be_removed(
    program: Program, start: Path, tmp_path: Path
) -> None:
    own = write_places(tmp_path / 'places')
    (own / '03_1.png').write_bytes(b'no image')
    words = ('finetune', own, *DISTANCES, '--model', start, '--out', tmp_path / 'm.safetensors')
    done = program(*words)
    assert done.status == 1
    assert '03_1.png' in done.err and done.err.count('give the command again') == 1
    assert 'new folder' not in done.err


def test_two_runs_do_not_write_one_file(program: Program, places: Path, tmp_path: Path) -> None:
    folder = tmp_path / '.mine.safetensors.finetune'
    folder.mkdir()
    with (folder / 'lock').open('wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = program('finetune', places, '--out', tmp_path / 'mine.safetensors').error
    assert 'another run is writing it' in error


def test_a_full_disk_is_one_sentence_and_leaves_what_is_described(
    program: Program, places: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    out = tmp_path / 'mine.safetensors'
    words = ('finetune', places, *DISTANCES, '--model', start, '--steps', '3', '--out', out)
    for module in (
        'ghost_vpr_ros.replay.output_files',
        'ghost_vpr_ros.replay.descriptors.shard_work',
        'ghost_vpr_ros.core.model.weights',
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f'{module}.write_whole', full)
            done = program(*words)
        assert done.status == 1
        assert 'cannot be written (No space left on device)' in done.err
    assert not out.exists()
