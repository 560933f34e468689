"""The content of a folder of photos: the images, and all other files by kind.

Links are followed, each folder is visited once. Folders and files that systems make beside the
user's photos (thumbnails, waste bins) are passed over.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from ghost_vpr_ros.core.image import (
    HEIC_SUFFIXES,
    IMAGE_SUFFIXES,
    has_heic_decoder,
    natural_key,
    valid_text,
)

_SYSTEM_FOLDERS = frozenset(
    {'@eadir', '@__thumb', '@recycle', '@recently-snapshot', '@sharebin', '@sharesnap', '@tmp'}
    | {'@transcode', '@eadir@tmp', '#recycle', '#snapshot', '~snapshot', '$recycle.bin'}
    | {'recycler', 'recycled', 'system volume information', 'lost+found', 'lost.dir', '__macosx'}
    | {'network trash folder', 'temporary items', 'ipod photo cache'}
)
"""In lower case: Synology, QNAP, NetApp, Windows, Linux, Android, macOS and its archives."""

_SYSTEM_NAMES = re.compile(r'found\.\d{3}|.*\.lrdata|.*\.cocatalogdb')
"""What a repair of a disk found, and previews of Lightroom and Capture One."""

_LIBRARY = '.photoslibrary'
_LIBRARY_PHOTOS = ('originals', 'masters')
"""Folders of a library of macOS that hold the photos; the others hold smaller copies."""

_SYSTEM_FILES = ('SYNOPHOTO_', 'SYNOFILE_', 'SYNOVIDEO_')
_TAKE_OUT = 'take single images out of them, for example `ffmpeg -i FILE -vf fps=2 %06d.jpg`'
_EXPORT = 'export them as JPEG, with their EXIF'
_CONVERT = 'convert them to JPEG or PNG'


@dataclass(frozen=True)
class OtherKind:
    """Files that hold pictures but are not read.

    Attributes:
        name: of the kind, for a sentence with a number before it.
        suffixes: of their names, in lower case.
        next_step: how to convert them to images.
    """

    name: str
    suffixes: tuple[str, ...]
    next_step: str


HEIC_PHOTOS = OtherKind(
    'HEIC photos',
    HEIC_SUFFIXES,
    'read them with pip install pillow-heif, or convert them to JPEG with their EXIF',
)
_AVIF = OtherKind('AVIF images', ('.avif',), _CONVERT)
_ALWAYS_OTHER = (
    OtherKind(
        'raw photos',
        ('.dng', '.cr2', '.cr3', '.nef', '.nrw', '.arw', '.orf', '.rw2', '.raf', '.pef', '.srw')
        + ('.gpr', '.3fr', '.iiq'),
        _EXPORT,
    ),
    OtherKind(
        'videos',
        ('.mp4', '.mov', '.avi', '.mkv', '.m4v', '.webm', '.mts', '.m2ts', '.3gp', '.mpg', '.mpeg')
        + ('.wmv', '.insv', '.360', '.lrv', '.h264', '.h265', '.mjpeg', '.mjpg'),
        _TAKE_OUT,
    ),
    OtherKind('360-degree photos', ('.insp',), _EXPORT),
    OtherKind('JPEG XL images', ('.jxl',), _CONVERT),
    OtherKind('JPEG 2000 images', ('.jp2', '.j2k', '.jpx'), _CONVERT),
    OtherKind('GIF images', ('.gif',), _CONVERT),
    OtherKind('floating-point images', ('.exr', '.hdr', '.pfm'), _CONVERT),
    OtherKind('documents', ('.pdf', '.psd', '.svg', '.eps', '.ai', '.xcf'), _CONVERT),
    OtherKind(
        'tables',
        ('.csv', '.tsv', '.xlsx', '.xls', '.ods'),
        'where they hold positions, name one manifest.csv, or give it as the source',
    ),
    OtherKind(
        'tracks',
        ('.gpx', '.kml', '.kmz', '.nmea', '.fit', '.tcx', '.geojson'),
        'write their positions into a manifest',
    ),
    OtherKind(
        'archives',
        ('.zip', '.tar', '.tgz', '.gz', '.7z', '.rar', '.zst', '.lz4', '.xz', '.bz2'),
        'unpack them',
    ),
)


def other_kind_of(path: Path) -> OtherKind | None:
    """The kind of a file that holds pictures or positions but is not read; None for all others."""
    known = (HEIC_PHOTOS, _AVIF, *_ALWAYS_OTHER)
    return next((kind for kind in known if path.suffix.lower() in kind.suffixes), None)


@dataclass
class FolderScan:
    """The files of a folder.

    Attributes:
        images: in natural order of their paths inside the folder.
        others: how many files there are of each other kind.
        unreadable: folders that could not be listed, with the reason.
    """

    images: list[Path] = field(default_factory=list)
    others: Counter[OtherKind] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def remarks(self) -> list[str]:
        """One sentence for each kind of files, and each folder, that is left out."""
        kinds = [
            f'{count} {kind.name if count > 1 else kind.name[:-1]} '
            f'({" ".join(kind.suffixes[:3])}) left out; {kind.next_step}'
            for kind, count in self.others.most_common()
        ]
        return kinds + [f'{folder}: left out' for folder in self.unreadable]


def image_suffixes() -> tuple[str, ...]:
    """Suffixes of the files that can be read here: those of optional decoders, too."""
    heic = HEIC_SUFFIXES if has_heic_decoder() else ()
    return IMAGE_SUFFIXES + heic + (_AVIF.suffixes if cv2.haveImageWriter('.avif') else ())


def scan_folder(folder: Path) -> FolderScan:
    """The images in a folder and below it, and what else lies there."""
    scan = FolderScan()
    suffixes = image_suffixes()
    kinds = {
        suffix: kind
        for kind in (HEIC_PHOTOS, _AVIF, *_ALWAYS_OTHER)
        for suffix in kind.suffixes
        if suffix not in suffixes
    }
    for place, names in _files(folder, scan.unreadable):
        for name in names:
            suffix = Path(name).suffix.lower()
            if suffix in suffixes:
                scan.images.append(Path(place, name))
            elif suffix in kinds:
                scan.others[kinds[suffix]] += 1
    scan.images.sort(key=lambda image: _order(image.relative_to(folder).as_posix()))
    return scan


def _order(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Names that differ only in capitals are ordered the same way on every machine."""
    return natural_key(name), name


def _files(folder: Path, unreadable: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each folder once, with its files; real folders come before links to them."""
    visited: set[tuple[int, int]] = set()
    waiting, links = [str(folder)], list[str]()
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        try:
            state = Path(place).stat()
            entries = sorted(os.scandir(place), key=lambda entry: natural_key(entry.name))
        except OSError as error:
            unreadable.append(f'{valid_text(place)} cannot be read ({error.strerror})')
            continue
        if (state.st_dev, state.st_ino) in visited:
            continue
        visited.add((state.st_dev, state.st_ino))
        unreadable += [
            f'{valid_text(entry.path)} is a link that leads nowhere'
            for entry in entries
            if entry.is_symlink() and not Path(entry.path).exists() and not _is_image(entry.name)
        ]
        folders = [e for e in entries if _is_folder(e) and not _is_of_system(e.name)]
        if place.lower().endswith(_LIBRARY):
            folders = [entry for entry in folders if entry.name.lower() in _LIBRARY_PHOTOS]
        links += [entry.path for entry in folders if entry.is_symlink()]
        waiting += [entry.path for entry in folders if not entry.is_symlink()]
        files = [entry for entry in entries if not _is_folder(entry)]
        unreadable += [
            f'{valid_text(entry.path)} is a pipe, a socket or a device'
            for entry in files
            if _is_special(entry) and _is_image(entry.name)
        ]
        names = [entry.name for entry in files if not _is_special(entry)]
        yield place, [name for name in names if not name.startswith(('.', *_SYSTEM_FILES))]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """False for a link that leads nowhere: as an image it is refused by name."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_special(entry: os.DirEntry[str]) -> bool:
    """What would never end when it is read; a link that leads nowhere is refused by name."""
    return Path(entry.path).exists() and not Path(entry.path).is_file()


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def _is_of_system(name: str) -> bool:
    known = name.lower()
    return (
        name.startswith('.')
        or known in _SYSTEM_FOLDERS
        or _SYSTEM_NAMES.fullmatch(known) is not None
    )
