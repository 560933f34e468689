"""Images with label maps, from which poolings start whose names end in -sc; `semantics` in YAML.

Labels come from a folder of label images (CamVid has such), or from any segmenter as a function.

Source: SRALNet, Section III-E: DeepLabV3 with the classes of Cityscapes; buildings, roads, signs
and vegetation are static, sky, people and vehicles dynamic.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC, VOID, check_aspect, resized
from ghost_vpr_ros.replay.sources.image_sources import list_images, open_source
from training.datasets.data_config import expanded

Segmenter = Callable[[NDArray[np.uint8]], NDArray[np.integer]]
"""From RGB uint8 (H, W, 3) to class numbers (H, W)."""

CLASSES: Mapping[str, Mapping[int, range | tuple[int, ...]]] = {
    # 0 sky, 1 building, 2 pole, 3 road, 4 pavement, 5 tree, 6 sign, 7 fence, 8 car, 9 pedestrian,
    # 10 cyclist, 11 void.
    'camvid': {STATIC: range(1, 8), DYNAMIC: (0, 8, 9, 10)},
    # 0 road, 1 sidewalk, 2 building, 3 wall, 4 fence, 5 pole, 6 traffic light, 7 traffic sign,
    # 8 vegetation, 9 terrain, 10 sky, 11 person, 12 rider, 13-18 vehicles; its training numbers.
    'cityscapes': {STATIC: range(10), DYNAMIC: range(10, 19)},
}
"""Role -> class numbers, by the name of the set of classes; other numbers are void."""


@dataclass(frozen=True)
class SemanticsConfig(Config):
    """Where label maps come from; `semantics` in an experiment's YAML file."""

    images: str = setting('', 'folder of the labelled images; empty: the training images')
    labels: str = setting('', 'folder of label images that have the same names as the images')
    segmenter: str = setting(
        '', 'MODULE:FUNCTION from an RGB image to class numbers, in place of label images'
    )
    classes: str = setting('camvid', 'what the class numbers mean', choices=tuple(CLASSES))


@dataclass(frozen=True)
class LabelledFrames:
    """Images, and what each place of them shows.

    Attributes:
        frames: the images.
        name: what they are, for provenance.
        roles: (h, w) label map of a frame at the size of the network's input.
    """

    frames: Sequence[Frame]
    name: str
    roles: Callable[[Frame], NDArray[np.uint8]]


def labelled_frames(
    config: SemanticsConfig, preprocessing: PreprocessingConfig, training: Sequence[Frame]
) -> LabelledFrames:
    """The images that the configuration names, with their label maps.

    Args:
        config: where both come from.
        preprocessing: size of the network's input.
        training: images where the configuration names none.

    Raises:
        ConfigError: neither labels nor a segmenter, both of them, or one that cannot be imported.
        SourceError: a folder is missing, or an image has no label image.
    """
    if bool(config.labels) == bool(config.segmenter):
        raise ConfigError(
            'semantics: expected either labels or a segmenter, found '
            f'{"both" if config.labels else "neither"}; name a folder of label images, or '
            'MODULE:FUNCTION'
        )
    if config.labels and not config.images:
        raise ConfigError(
            f'semantics.images: expected the folder of the images that {config.labels} labels, '
            'found nothing; name it'
        )
    frames, name = training, 'the training images'
    if config.images:
        source = open_source(expanded(config.images))
        frames, name = source.frames, source.name
    if config.segmenter:
        label = _by_segmenter(_imported(config.segmenter))
    else:
        label = _by_files(frames, expanded(config.labels))
    size = preprocessing.height_px, preprocessing.width_px
    return LabelledFrames(frames, name, _in_roles(label, config.classes, size))


def roles_of(class_numbers: NDArray[np.integer], classes: str) -> NDArray[np.uint8]:
    """(H, W) of VOID, STATIC and DYNAMIC, of class numbers (H, W)."""
    roles = np.full(class_numbers.shape, VOID, np.uint8)
    for role, numbers in CLASSES[classes].items():
        roles[np.isin(class_numbers, list(numbers))] = role
    return roles


def _in_roles(
    label: Callable[[Frame, NDArray[np.uint8]], NDArray[np.integer]],
    classes: str,
    size: tuple[int, int],
) -> Callable[[Frame], NDArray[np.uint8]]:
    """What a frame shows, stretched to the network's input as the image itself is."""

    def roles(frame: Frame) -> NDArray[np.uint8]:
        image = frame.load()
        found = label(frame, image)
        if found.ndim != 2 or not np.issubdtype(found.dtype, np.integer):
            raise SourceError(
                f'{frame.name}: expected a label map (H, W) of class numbers, found {found.dtype} '
                f'{found.shape}; one number for each pixel, no colours'
            )
        check_aspect(found.shape, image.shape[:2], f'the image {frame.name}')
        return resized(roles_of(found, classes), size)

    return roles


def _by_segmenter(
    segmenter: Segmenter,
) -> Callable[[Frame, NDArray[np.uint8]], NDArray[np.integer]]:
    return lambda _, image: np.asarray(segmenter(image))


def _by_files(
    frames: Sequence[Frame], folder: Path
) -> Callable[[Frame, NDArray[np.uint8]], NDArray[np.integer]]:
    """Label images by the name of the image, whatever its suffix.

    Raises:
        SourceError: no such folder, or an image without a label image.
    """
    if not folder.is_dir():
        raise SourceError(f'{folder}: expected a folder of label images, found none; check it')
    files = {path.relative_to(folder).with_suffix(''): path for path in list_images(folder)}
    names = {frame.name: Path(frame.name).with_suffix('') for frame in frames}
    missing = sorted(name for name, key in names.items() if key not in files)
    if missing:
        raise SourceError(
            f'{folder}: expected a label image for each of {len(frames)} images, found none for '
            f'{len(missing)}, first {missing[0]}; they have the name of the image'
        )
    return lambda frame, _: _read(files[names[frame.name]])


def _read(path: Path) -> NDArray[np.integer]:
    """Raises SourceError where the file is not an image."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise SourceError(f'{path}: expected a label image, found something else; check the file')
    return np.asarray(found)


def _imported(text: str) -> Segmenter:
    """The function that MODULE:FUNCTION names.

    Raises:
        ConfigError: no such module or function.
    """
    module, colon, name = text.partition(':')
    try:
        if not colon:
            raise ImportError('no colon')
        segmenter: Segmenter = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f'semantics.segmenter: expected MODULE:FUNCTION, found {text!r} ({error}); name a '
            'function that can be imported'
        ) from error
    return segmenter
