"""Folders of labelled scenes: layouts, merging, what is held out, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from training.datasets.readers.scene_folders import SceneSet, read_scenes

SHARE = 0.25


def fill(folder: Path, count: int, suffix: str = '.jpg') -> Path:
    """Files with the names of images; nothing reads them here."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f'{number}{suffix}').touch()
    return folder


def sizes(scenes: SceneSet) -> dict[str, tuple[int, int]]:
    """Images to train on, and held out, by class."""
    counts = [
        np.bincount(part.labels, minlength=len(scenes.classes))
        for part in (scenes.train, scenes.val)
    ]
    return {name: (int(counts[0][i]), int(counts[1][i])) for i, name in enumerate(scenes.classes)}


@pytest.mark.parametrize('held_out', ['val', 'validation', 'test'])
def test_train_and_held_out_folders_are_kept_apart(tmp_path: Path, held_out: str) -> None:
    fill(tmp_path / 'train' / 'Street', 3)
    fill(tmp_path / 'train' / 'forest', 2)
    fill(tmp_path / held_out / 'street', 1)
    scenes = read_scenes([tmp_path], SHARE, seed=0)
    assert sizes(scenes) == {'forest': (2, 0), 'street': (3, 1)}
    for part in (scenes.train, scenes.val):
        named = [path.parent.name.lower() for path in part.paths]
        assert named == [scenes.classes[label] for label in part.labels]


def test_val_comes_before_an_unlabelled_test(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        fill(tmp_path / 'train' / name, 2)
        fill(tmp_path / 'val' / name, 1)
    fill(tmp_path / 'test', 5)
    assert sizes(read_scenes([tmp_path], SHARE, seed=0)) == {'a': (2, 1), 'b': (2, 1)}


def test_roots_become_one_set_by_lower_case_names(tmp_path: Path) -> None:
    for part in ('train', 'val'):
        fill(tmp_path / 'one' / part / 'Street', 2)
        fill(tmp_path / 'one' / part / 'forest', 1)
        fill(tmp_path / 'two' / part / 'street', 4)
    scenes = read_scenes([tmp_path / 'one', tmp_path / 'two'], SHARE, seed=0)
    assert sizes(scenes) == {'forest': (1, 1), 'street': (6, 6)}


def test_classes_may_lie_deeper(tmp_path: Path) -> None:
    for part in ('train', 'val'):
        fill(tmp_path / part / 'a' / 'abbey', 2)
        fill(tmp_path / part / 'b' / 'bridge', 2)
    assert read_scenes([tmp_path], SHARE, seed=0).classes == ('a/abbey', 'b/bridge')


@pytest.mark.parametrize('above', ['.', 'train'])
def test_a_share_of_each_class_is_held_out(tmp_path: Path, above: str) -> None:
    fill(tmp_path / above / 'large', 8)
    fill(tmp_path / above / 'small', 2)
    scenes = read_scenes([tmp_path], SHARE, seed=0)
    # A quarter of 8, and at least one of 2.
    assert sizes(scenes) == {'large': (6, 2), 'small': (1, 1)}
    assert not set(scenes.train.paths) & set(scenes.val.paths)
    assert scenes.val.paths == read_scenes([tmp_path], SHARE, seed=0).val.paths
    others = [read_scenes([tmp_path], SHARE, seed=seed).val.paths for seed in range(1, 6)]
    assert any(paths != scenes.val.paths for paths in others)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    fill(tmp_path / 'train', 4)
    fill(tmp_path / 'tram', 4)
    assert read_scenes([tmp_path], SHARE, seed=0).classes == ('train', 'tram')


def test_links_to_class_folders_are_followed(tmp_path: Path) -> None:
    fill(tmp_path / 'root' / 'street', 2)
    (tmp_path / 'root' / 'forest').symlink_to(fill(tmp_path / 'elsewhere', 2))
    assert read_scenes([tmp_path / 'root'], SHARE, seed=0).classes == ('forest', 'street')


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        fill(tmp_path / name, 2)
        (tmp_path / name / '._0.jpg').touch()
    fill(tmp_path / '.cache', 3)
    assert sizes(read_scenes([tmp_path], SHARE, seed=0)) == {'a': (1, 1), 'b': (1, 1)}


def test_a_class_without_images_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / 'train' / 'street', 2)
    fill(tmp_path / 'train' / 'forest', 2, suffix='.txt')
    with pytest.raises(SourceError, match=r'train/forest: expected images of a class .* none'):
        read_scenes([tmp_path], SHARE, seed=0)


def test_a_class_that_is_never_trained_is_refused(tmp_path: Path) -> None:
    for name in ('street', 'forest'):
        fill(tmp_path / 'train' / name, 2)
    fill(tmp_path / 'val' / 'streets', 1)
    with pytest.raises(SourceError, match=r"'streets' is held out but .* mean 'street'\?"):
        read_scenes([tmp_path], SHARE, seed=0)


@pytest.mark.parametrize(
    ('files', 'sentence'),
    [
        ({}, 'expected images of a class .* found none'),
        ({'street': 3}, "expected at least 2 classes, found only 'street'"),
        ({'street': 3, 'forest': 1}, r'forest: expected enough images to hold out 0\.25'),
        ({'street': 3, '.': 1}, 'expected only folders of classes, found images'),
    ],
)
def test_folders_of_another_kind_are_refused(
    tmp_path: Path, files: dict[str, int], sentence: str
) -> None:
    root = tmp_path / 'root'
    root.mkdir()
    for name, count in files.items():
        (root / name).mkdir(exist_ok=True)
        for number in range(count):
            (root / name / f'{number}.jpg').touch()
    with pytest.raises(SourceError, match=sentence):
        read_scenes([root], SHARE, seed=0)


def test_missing_absent_and_repeated_roots_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / 'root' / 'street', 2)
    with pytest.raises(SourceError, match='expected a folder or more'):
        read_scenes([], SHARE, seed=0)
    with pytest.raises(SourceError, match='absent: no such folder'):
        read_scenes([tmp_path / 'absent'], SHARE, seed=0)
    with pytest.raises(SourceError, match='given twice'):
        read_scenes([tmp_path / 'root', tmp_path / 'root' / '..' / 'root'], SHARE, seed=0)


def test_real_scenes_are_read(data_dir: Path) -> None:
    scenes = read_scenes([data_dir / 'scene15', data_dir / 'intel6'], SHARE, seed=0)
    counts = sizes(scenes)
    # 15 and 6 classes, of which forest, mountain and street are in both.
    assert len(scenes.classes) == 18
    assert counts['forest'] == (100 + 1396, 228 + 317)
    assert counts['bedroom'] == (100, 116)
