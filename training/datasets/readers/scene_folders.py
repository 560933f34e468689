"""Reader of labelled scenes, one folder per class as in Places-365, with a held-out part.

Layouts: `ROOT/train/CLASS/*.jpg` with `ROOT/val/CLASS` (or `validation`, or `test`), or
`ROOT/CLASS/*.jpg`, of which a share is held out. Classes may be nested (`a/abbey`). Several roots
are merged: classes with the same name, ignoring case, are one class.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.settings import nearest_hint
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import IMAGE_SUFFIXES, natural_key

TRAIN_NAME = 'train'
VAL_NAMES = ('val', 'validation', 'test')
"""Folders of held-out images, the first that exists is used; Places-365's test has no labels."""

Classes = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class LabelledImages:
    """N image files with the number of their class.

    Attributes:
        paths: N files.
        labels: (N,) int64 positions in the list of classes.
    """

    paths: Sequence[Path]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class SceneSet:
    """Labelled scenes of one or more roots.

    Attributes:
        classes: names in alphabetical order, lower case.
        train: the training set.
        val: the held-out set.
    """

    classes: tuple[str, ...]
    train: LabelledImages
    val: LabelledImages


def read_scenes(roots: Sequence[Path], val_share: float, seed: int) -> SceneSet:
    """All scenes of the roots, merged by the names of their classes.

    Args:
        roots: one or more folders.
        val_share: share of each class to hold out if a root has no folder of held-out images, at
            least one image.
        seed: of the choice.

    Raises:
        SourceError: a root is missing, given twice or without classes, a class folder has no
            image, a held-out class is not trained, or there is only one class.
    """
    train: dict[str, list[Path]] = {}
    val: dict[str, list[Path]] = {}
    for root in _distinct(roots):
        for merged, found in zip((train, val), _read_root(root, val_share, seed), strict=True):
            for name, paths in found.items():
                merged.setdefault(name, []).extend(paths)
    classes = tuple(sorted(train))
    for name in sorted(val.keys() - train.keys()):
        raise SourceError(
            f'{val[name][0].parent}: class {name!r} is held out but never trained'
            f'{nearest_hint(name, list(classes))}'
        )
    if len(classes) < 2:
        raise SourceError(
            f'{roots[0]}: expected at least 2 classes, found only {classes[0]!r}; name the folder '
            'above the folders of the classes'
        )
    return SceneSet(classes, _labelled(train, classes), _labelled(val, classes))


def _distinct(roots: Sequence[Path]) -> Sequence[Path]:
    if not roots:
        raise SourceError('scenes: expected a folder or more, found none; add it to the config')
    seen: set[Path] = set()
    for root in roots:
        if not root.is_dir():
            raise SourceError(f'{root}: no such folder; expected one with a folder for each class')
        if root.resolve() in seen:
            raise SourceError(f'{root}: given twice; give each folder of scenes once')
        seen.add(root.resolve())
    return roots


def _read_root(root: Path, val_share: float, seed: int) -> tuple[Classes, Classes]:
    """Training files and held-out files of each class."""
    train = root / TRAIN_NAME
    if not train.is_dir() or _images_directly_in(train):
        return _split(_classes_of(root), val_share, seed)
    val = next((root / name for name in VAL_NAMES if (root / name).is_dir()), None)
    if val is None:
        return _split(_classes_of(train), val_share, seed)
    return _classes_of(train), _classes_of(val)


def _classes_of(folder: Path) -> dict[str, list[Path]]:
    """Files by class; a class is named by its path below `folder`, in lower case."""
    if _images_directly_in(folder):
        raise SourceError(
            f'{folder}: expected only folders of classes, found images; move them into the folder '
            'of their class'
        )
    classes: dict[str, list[Path]] = {}
    for place, folders, _ in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        here = Path(place)
        images = _images_directly_in(here)
        if images:
            name = here.relative_to(folder).as_posix().lower()
            classes.setdefault(name, []).extend(images)
        elif not folders:
            raise SourceError(
                f'{here}: expected images of a class ({" ".join(IMAGE_SUFFIXES)}), found none; '
                'remove the folder, or copy its images'
            )
    return classes


def _images_directly_in(folder: Path) -> list[Path]:
    names = (entry.name for entry in os.scandir(folder) if not entry.is_dir())
    shown = (name for name in names if not name.startswith('.'))
    images = (name for name in shown if name.lower().endswith(IMAGE_SUFFIXES))
    return [folder / name for name in sorted(images, key=natural_key)]


def _split(classes: Classes, val_share: float, seed: int) -> tuple[Classes, Classes]:
    """Hold out a share of each class, chosen by the seed and the name of the class."""
    train: dict[str, Sequence[Path]] = {}
    val: dict[str, Sequence[Path]] = {}
    for name, paths in classes.items():
        held_out = max(1, round(val_share * len(paths)))
        if held_out >= len(paths):
            raise SourceError(
                f'{paths[0].parent}: expected enough images to hold out {val_share:g} of them, '
                f'found {len(paths)}; add images or remove the class'
            )
        order = np.random.default_rng((seed, zlib.crc32(name.encode()))).permutation(len(paths))
        val[name] = [paths[i] for i in sorted(order[:held_out])]
        train[name] = [paths[i] for i in sorted(order[held_out:])]
    return train, val


def _labelled(files: Classes, classes: Sequence[str]) -> LabelledImages:
    paths = [path for name in classes for path in files.get(name, ())]
    counts = [len(files.get(name, ())) for name in classes]
    return LabelledImages(paths, np.repeat(np.arange(len(classes), dtype=np.int64), counts))
