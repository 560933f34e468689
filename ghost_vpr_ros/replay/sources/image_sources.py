"""Everything that images can come from, opened by one function: frames in order, read lazily."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import IMAGE_SUFFIXES, read_image
from ghost_vpr_ros.replay.bags.file import bag_files, is_bag_metadata, is_bag_name
from ghost_vpr_ros.replay.bags.reader import bag_frames
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.sources.exif_gps import exif_frame
from ghost_vpr_ros.replay.sources.manifest import manifest_frames
from ghost_vpr_ros.replay.sources.utm_names import is_utm_name, utm_frame

MANIFEST_NAME = 'manifest.csv'
_KINDS = 'a folder of images, a CSV manifest, or a bag (.bag, .mcap, .db3, or a ROS 2 bag folder)'


@dataclass(frozen=True)
class ImageSource:
    """Frames of one source; pixels are read when a frame's `load` is called.

    Attributes:
        frames: in the manifest's order, in order of stamps for a bag, else in natural order of
            the names (2 before 10).
        kind: 'folder', 'manifest', 'exif', 'utm' or 'bag'.
        name: the path as it was given.
        notes: sentences that a user should read.
    """

    frames: Sequence[Frame]
    kind: str
    name: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def short_name(self) -> str:
        """The name of the folder, or of the file without its suffix."""
        path = Path(self.name).resolve()
        return path.name if path.is_dir() else path.stem


def open_source(
    path: str | Path,
    *,
    where: Mapping[str, str] | None = None,
    topics: BagTopics | None = None,
    as_recorded: bool = False,
) -> ImageSource:
    """The images at `path`: a folder (with or without `manifest.csv`), a manifest, or a bag.

    Args:
        path: file or folder. A folder's images are found in its subfolders, too.
        where: value or range `low..high` by column that a manifest's rows must have.
        topics: which topics of a bag are read.
        as_recorded: frames of a bag in order of recording instead of in order of stamps.

    Raises:
        SourceError: missing, empty, of no known kind, or not fitting its description.
        BagError: a bag that is damaged or lacks a topic.
    """
    path = Path(path)
    kind, frames = _kind(path)
    if where and kind != 'manifest':
        raise SourceError(
            f'{path}: filtering by {next(iter(where))} needs a CSV manifest, found a {kind}'
        )
    if kind == 'manifest':
        manifest = path / MANIFEST_NAME if path.is_dir() else path
        return ImageSource(manifest_frames(manifest, where or {}), kind, str(path))
    if kind == 'bag':
        notes: list[str] = []
        recorded = bag_frames(path, topics or BagTopics(), as_recorded=as_recorded, notes=notes)
        return ImageSource(recorded, kind, str(path), tuple(notes))
    return _folder_source(path, frames)


def is_bag(path: Path) -> bool:
    """Whether `open_source` would read a bag there.

    Raises:
        SourceError: as `open_source`.
    """
    return _kind(path)[0] == 'bag'


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which numbers count as numbers: `2.jpg` before `10.jpg`."""
    parts = re.split(r'(\d+)', name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def list_images(folder: Path) -> list[Path]:
    """Image files in a folder and below it in natural order; hidden ones are left out."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.')]
        names = (name for name in files if not name.startswith('.'))
        found += [Path(place, n) for n in names if n.lower().endswith(IMAGE_SUFFIXES)]
    return sorted(found, key=lambda image: natural_key(image.relative_to(folder).as_posix()))


def _kind(path: Path) -> tuple[str, list[Path]]:
    """'manifest', 'bag' or 'folder', and the images of a folder."""
    if not path.exists():
        raise SourceError(f'{path}: no such file or folder; expected {_KINDS}')
    if not path.is_dir():
        return _kind_of_file(path), []
    if (path / MANIFEST_NAME).is_file():
        return 'manifest', []
    if bag_files(path) or is_bag_metadata(path / 'metadata.yaml'):
        return 'bag', []
    return 'folder', _images_of(path)


def _kind_of_file(path: Path) -> str:
    if path.suffix.lower() == '.csv':
        return 'manifest'
    if is_bag_name(path):
        return 'bag'
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise SourceError(f'{path}: expected {_KINDS}, found one image; give its folder')
    raise SourceError(f'{path}: expected {_KINDS}, found a file of another kind')


def _images_of(folder: Path) -> list[Path]:
    images = list_images(folder)
    if not images:
        raise SourceError(
            f'{folder}: expected images ({" ".join(IMAGE_SUFFIXES)}) or {MANIFEST_NAME} in this '
            'folder or below it, found none; check the path'
        )
    return images


def _folder_source(folder: Path, images: Sequence[Path]) -> ImageSource:
    """UTM names where any file has one, else EXIF where any photo has a position, else bare."""
    if any(map(is_utm_name, images)):
        frames = [_named(folder, image, _utm_or_bare) for image in images]
        return ImageSource(frames, 'utm', str(folder))
    frames = [_named(folder, image, exif_frame) for image in images]
    kind = 'exif' if any(frame.geo is not None for frame in frames) else 'folder'
    return ImageSource(frames, kind, str(folder))


def _named(folder: Path, image: Path, make: Callable[[Path, str], Frame]) -> Frame:
    return make(image, image.relative_to(folder).as_posix())


def _utm_or_bare(image: Path, name: str) -> Frame:
    if is_utm_name(image):
        return utm_frame(image, name)
    return Frame(name=name, load=partial(read_image, image))
