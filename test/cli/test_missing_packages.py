"""A machine that lacks PyTorch, rosbags or another package: sentences, and what works."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from test.documented_commands import ROOT

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in sys.argv[1].split(','):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Blocker())
from ghost_vpr_ros.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def without(packages: str, *words: str | Path) -> tuple[int, str, str]:
    """Status, output and errors of a command on a machine that lacks these packages."""
    command = [sys.executable, '-c', BLOCKED, packages, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 'Traceback' not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / 'photos'
    folder.mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), cv2.resize(noise, (80, 60)))
    return folder


def test_a_folder_becomes_a_map_without_rosbags_and_is_told_of_without_torch(
    photos: Path, tmp_path: Path
) -> None:
    made = without('rosbags', 'build-map', photos, tmp_path / 'p.map')
    assert made[0] == 0, made[2]
    status, told, _ = without('torch,rosbags,matplotlib', 'info', tmp_path / 'p.map', '--check')
    assert status == 0 and 'damaged' in told
    both = ('--database', photos, '--queries', photos, '--out', tmp_path / 'evaluated')
    status, _, error = without('torch', 'evaluate', *both)
    assert status == 0, error
    for extra in (('--engine', 'torch'), ('--device', 'cuda')):
        status, _, error = without('torch', 'query', tmp_path / 'p.map', photos / '0.png', *extra)
        assert (
            status == 1 and 'needs PyTorch, which is not installed; use engine openvino' in error
        )
        assert 'pip install' not in error


def test_work_that_no_other_engine_does_names_pytorch(photos: Path, tmp_path: Path) -> None:
    out = ('--out', tmp_path / 'out')
    both = ('--database', photos, '--queries', photos, '--ground-truth', 'index', *out)
    for words in (
        ('evaluate', *both, '--rerank', 'patch-netvlad'),
        ('evaluate', *both, '--model', 'untrained'),
        ('finetune', photos, *out),
    ):
        status, _, error = without('torch', *words)
        assert status == 1 and 'needs PyTorch' in error and 'pip install torch' in error, error
        assert 'engine openvino' not in error and error.count('ghost-vpr: error: ') == 1


@pytest.mark.parametrize('command', ['make-bag', 'build-map', 'replay', 'info', 'query'])
def test_help_needs_none_of_the_packages_that_may_be_missing(command: str) -> None:
    missing = 'torch,rosbags,matplotlib,PIL,openvino,onnxruntime,rclpy'
    status, told, _ = without(missing, command, '--help')
    assert status == 0 and command in told


@pytest.mark.parametrize(
    ('packages', 'words', 'sentence'),
    [
        ('rosbags', ('make-bag', 'PHOTOS', 'OUT'), 'pip install rosbags rosbags-image'),
        ('PIL', ('build-map', 'PHOTOS', 'OUT'), 'pip install pillow'),
        (
            'h5py',
            ('pairs', '--database', 'PHOTOS', '--queries', 'PHOTOS', '--out', 'OUT')
            + ('--descriptors',),
            'pip install h5py',
        ),
        (
            'gtsam',
            ('replay', 'PHOTOS', '--map', 'OUT', '--out', 'OUT', '--pose-graph'),
            'pip install gtsam',
        ),
        (
            'torch,openvino,onnxruntime',
            ('build-map', 'PHOTOS', 'OUT'),
            'OpenVINO, ONNX Runtime or PyTorch to run the network, found none of them',
        ),
    ],
)
def test_what_is_missing_is_one_sentence_that_does_not_bring_torch(
    photos: Path, tmp_path: Path, packages: str, words: tuple[str, ...], sentence: str
) -> None:
    places = {'PHOTOS': photos, 'OUT': tmp_path / 'out'}
    status, _, error = without(packages, *(places.get(word, word) for word in words))
    assert status == 1 and sentence in error
    assert 'ghost_vpr_ros[' not in error and len(error.strip().splitlines()) == 1
