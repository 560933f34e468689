"""Everything that images can come from, opened by one function: frames in order, read lazily."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, ScalableLoad
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import IMAGE_SUFFIXES, has_heic_decoder, read_image, valid_text
from ghost_vpr_ros.core.image_header import kind_of
from ghost_vpr_ros.replay.bags.names import bag_files, is_bag_metadata, is_bag_name
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.sources.exif_gps import photo_frame
from ghost_vpr_ros.replay.sources.folder_scan import (
    HEIC_PHOTOS,
    FolderScan,
    image_suffixes,
    other_kind_of,
    scan_folder,
)
from ghost_vpr_ros.replay.sources.manifest import read_manifest
from ghost_vpr_ros.replay.sources.plausible_positions import (
    NORTH_TAKEN,
    NULL_NOT_TAKEN,
    checked_positions,
    far_away,
    some_of,
)
from ghost_vpr_ros.replay.sources.stamp_names import stamps_of_names
from ghost_vpr_ros.replay.sources.utm_names import (
    is_utm_name,
    lacks_hemisphere,
    utm_frame,
    zones_are_numbers,
)

MANIFEST_NAME = 'manifest.csv'
_NUMBERS_NOT_ZONES = (
    'the numbers behind the northings differ although all positions lie within one town: not read '
    'as UTM zones; where they are, write names with all fields, or a manifest'
)
_SPREADSHEETS = ('.xlsx', '.xls', '.ods')
_KINDS = 'a folder of images, a CSV manifest, or a bag (.bag, .mcap, .db3, or a ROS 2 bag folder)'


@dataclass(frozen=True)
class ImageSource:
    """Frames of one source; pixels are read when a frame's `load` is called.

    Attributes:
        frames: in the manifest's order, in order of stamps for a bag, else in natural order of
            the names (2 before 10).
        kind: 'folder', 'manifest', 'exif', 'utm' or 'bag'.
        name: the path as it was given, as text that can be written everywhere.
        notes: what was left out or interpreted, a sentence each.
        path: where it lies, where that is known.
    """

    frames: Sequence[Frame]
    kind: str
    name: str
    notes: tuple[str, ...] = ()
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def short_name(self) -> str:
        """The name of the folder, or of the file without its suffix."""
        path = (self.path or Path(self.name)).resolve()
        return valid_text(path.name if path.is_dir() else path.stem)


def open_source(
    path: str | Path,
    *,
    where: Mapping[str, str] | None = None,
    topics: BagTopics | None = None,
    as_recorded: bool = False,
    images: ImageConfig | None = None,
) -> ImageSource:
    """The images at `path`: a folder (with or without `manifest.csv`), a manifest, or a bag.

    Args:
        path: file or folder. A folder's images are found in its subfolders, too, and behind links.
        where: value or range `low..high` by column that a manifest's rows must have.
        topics: which topics of a bag are read.
        as_recorded: frames of a bag in order of recording instead of in order of stamps.
        images: how large a single image may be.

    Raises:
        SourceError: missing, empty, of no known kind, or not fitting its description.
        BagError: a bag that is damaged or lacks a topic.
    """
    path = Path(path)
    kind = _kind(path)
    if where and kind != 'manifest':
        raise SourceError(
            f'{path}: filtering by {next(iter(where))} needs a CSV manifest, found a {kind}'
        )
    if kind == 'bag':
        # Folders and manifests do without the package that reads bags.
        from ghost_vpr_ros.replay.bags.reader import bag_frames

        notes: list[str] = []
        frames = bag_frames(
            path,
            topics or BagTopics(),
            as_recorded=as_recorded,
            image_config=images,
            notes=notes,
        )
        notes += far_away(frames)
        return ImageSource(frames, kind, valid_text(str(path)), tuple(notes), path)
    if kind == 'folder':
        return _folder_source(path, images)
    manifest = path / MANIFEST_NAME if path.is_dir() else path
    frames, remarks = read_manifest(manifest, where or {}, images)
    frames, more = checked_positions(frames)
    return ImageSource(frames, kind, valid_text(str(path)), (*remarks, *more), path)


def is_bag(path: Path) -> bool:
    """Whether `open_source` would read a bag there.

    Raises:
        SourceError: as `open_source`.
    """
    return _kind(path) == 'bag'


def list_images(folder: Path) -> list[Path]:
    """Image files in a folder and below it in natural order, as `folder_scan` finds them."""
    return scan_folder(folder).images


def _kind(path: Path) -> str:
    """'manifest', 'bag' or 'folder'."""
    if not path.exists():
        raise SourceError(f'{path}: no such file or folder; expected {_KINDS}')
    if not path.is_dir():
        return _kind_of_file(path)
    if (path / MANIFEST_NAME).is_file():
        return 'manifest'
    if bag_files(path) or is_bag_metadata(path / 'metadata.yaml'):
        return 'bag'
    return 'folder'


def _kind_of_file(path: Path) -> str:
    if path.suffix.lower() in ('.csv', '.tsv'):
        return 'manifest'
    if is_bag_name(path):
        return 'bag'
    if path.suffix.lower() in (*IMAGE_SUFFIXES, *HEIC_PHOTOS.suffixes):
        raise SourceError(f'{path}: expected {_KINDS}, found one image; give its folder')
    if path.name == 'metadata.yaml':
        raise SourceError(f'{path}: expected {_KINDS}, found a part of a bag; give its folder')
    if path.name.endswith('.bag.active'):
        raise SourceError(
            f'{path}: expected {_KINDS}, found a recording that is going on or was killed; wait '
            f'for its end, or run `rosbag reindex {path}` and `rosbag fix {path} fixed.bag`'
        )
    other = other_kind_of(path)
    if path.suffix.lower() in ('.txt', '.dat', ''):
        raise SourceError(
            f'{path}: expected {_KINDS}, found a file of another kind; if it is a table, rename '
            'it to .csv'
        )
    if path.suffix.lower() in _SPREADSHEETS:
        raise SourceError(f'{path}: expected {_KINDS}, found a spreadsheet; save it as CSV')
    if other is not None:
        raise SourceError(
            f'{path}: expected {_KINDS}, found one of the {other.name}; {other.next_step}'
        )
    raise SourceError(f'{path}: expected {_KINDS}, found a file of another kind')


def _folder_source(folder: Path, config: ImageConfig | None) -> ImageSource:
    """UTM names where any file has one, else EXIF where any photo has a position, else bare."""
    scan = scan_folder(folder)
    _leave_out_renamed(scan)
    if not scan.images:
        raise SourceError('; '.join([_found_none(folder), *scan.remarks()]))
    _check_names(folder, scan.images)
    if any(map(is_utm_name, scan.images)):
        kind, (frames, remarks) = 'utm', _utm_frames(folder, scan.images, config)
    else:
        frames, remarks = _photo_frames(folder, scan.images, config)
        kind = 'exif' if any(frame.geo is not None for frame in frames) else 'folder'
        frames = _stamped_by_name(frames)
    frames, more = checked_positions(frames)
    remarks = [*scan.remarks(), *remarks, *more]
    return ImageSource(frames, kind, valid_text(str(folder)), tuple(remarks), folder)


def _check_names(folder: Path, images: Sequence[Path]) -> None:
    """Refuse names that only differ in bytes that are shown as escapes: results go by name."""
    names = Counter(_name(folder, image) for image in images)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise SourceError(f'{folder}: {count} images are shown as {name}; rename one of them')


def _found_none(folder: Path) -> str:
    return (
        f'{folder}: expected images ({" ".join(image_suffixes())}) or {MANIFEST_NAME} in this '
        f'folder or below it, found none; {_next_step(folder)}'
    )


def _next_step(folder: Path) -> str:
    """Where there are bags in a folder in place of images, one of them was meant."""
    found = sorted(path.parent for path in folder.glob('*/metadata.yaml') if is_bag_metadata(path))
    found += sorted(path for path in folder.glob('*/*') if is_bag_name(path))
    found += sorted(path for path in folder.glob('*.bag.active'))
    if not found:
        return 'check the path'
    return f'give one of its bags, such as {found[0]}'


def _leave_out_renamed(scan: FolderScan) -> None:
    """Report HEIC photos that are named `.jpg` as HEIC, where they cannot be read."""
    if has_heic_decoder():
        return
    renamed = [image for image in scan.images if _begins_as_heic(image)]
    if renamed:
        scan.others[HEIC_PHOTOS] += len(renamed)
        scan.images = [image for image in scan.images if image not in set(renamed)]


def _begins_as_heic(image: Path) -> bool:
    try:
        with image.open('rb') as file:
            return kind_of(file.read(16)) == 'HEIC'
    except (OSError, ValueError):
        return False


def _photo_frames(
    folder: Path, images: Sequence[Path], config: ImageConfig | None
) -> tuple[list[Frame], list[str]]:
    frames = []
    names_of: dict[str, list[str]] = defaultdict(list)
    for image in images:
        frame, reason = photo_frame(image, _name(folder, image), config)
        frames.append(frame)
        if reason:
            names_of[reason].append(frame.name)
    remarks = [
        f'{some_of(names)}: {reason}; position not taken' for reason, names in names_of.items()
    ]
    return frames, remarks


def _stamped_by_name(frames: list[Frame]) -> list[Frame]:
    """The frames with the stamps in their names, where the photos themselves have none."""
    if any(frame.stamp_ns != UNKNOWN_STAMP_NS for frame in frames):
        return frames
    stamps = stamps_of_names([frame.name for frame in frames])
    if stamps is None:
        return frames
    return [replace(frame, stamp_ns=ns) for frame, ns in zip(frames, stamps, strict=True)]


def _utm_frames(
    folder: Path, images: Sequence[Path], config: ImageConfig | None
) -> tuple[list[Frame], list[str]]:
    """Frames of images of which some have UTM names; the others are bare."""
    named = [image for image in images if is_utm_name(image)]
    has_zone = not zones_are_numbers(named)
    frames, taken_as_north, null = [], [], []
    for image in images:
        name = _name(folder, image)
        if not is_utm_name(image):
            frames.append(Frame(name=name, load=ScalableLoad(partial(read_image, image, config))))
            continue
        frames.append(utm_frame(image, name, config, has_zone=has_zone))
        if not frames[-1].has_position:
            null.append(name)
        elif has_zone and lacks_hemisphere(image):
            taken_as_north.append(name)
    remarks = [] if has_zone else [_NUMBERS_NOT_ZONES]
    for names, text in ((null, NULL_NOT_TAKEN), (taken_as_north, NORTH_TAKEN)):
        remarks += [f'{some_of(names)}: {text}'] if names else []
    return frames, remarks


def _name(folder: Path, image: Path) -> str:
    return valid_text(image.relative_to(folder).as_posix())
