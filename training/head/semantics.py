"""Images with label maps, to initialise the poolings whose names end in -sc; `semantics` in YAML.

Labels come from a folder of label images (for example CamVid), or from a segmenter function that
returns class numbers or class scores; scores are max-pooled to the cells of the feature map, as in
SRALNet.

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
from ghost_vpr_ros.core.model.label_maps import (
    DYNAMIC,
    ROLES,
    STATIC,
    VOID,
    check_aspect,
    resized,
)
from ghost_vpr_ros.replay.sources.image_sources import list_images, open_source
from training.datasets.data_config import expanded
from training.head.torchvision_segmenter import PREFIX, TorchvisionSegmenter

Segmenter = Callable[[NDArray[np.uint8]], NDArray[np.number]]
"""From RGB uint8 (H, W, 3) to class numbers (H, W), or to float scores (C, H, W) of classes."""

CLASSES: Mapping[str, Mapping[int, range | tuple[int, ...]]] = {
    # 0 sky, 1 building, 2 pole, 3 road, 4 pavement, 5 tree, 6 sign, 7 fence, 8 car, 9 pedestrian,
    # 10 cyclist, 11 void.
    'camvid': {STATIC: range(1, 8), DYNAMIC: (0, 8, 9, 10)},
    # 0 road, 1 sidewalk, 2 building, 3 wall, 4 fence, 5 pole, 6 traffic light, 7 traffic sign,
    # 8 vegetation, 9 terrain, 10 sky, 11 person, 12 rider, 13-18 vehicles; its training numbers.
    'cityscapes': {STATIC: range(10), DYNAMIC: range(10, 19)},
    # Classes of torchvision's weights: 0 everything else, 16 potted plants; 1-4, 6, 7, 14, 19
    # vehicles, 8, 10, 12, 13, 17 animals, 15 people. Sky is part of class 0, so it is static.
    'voc': {STATIC: (0, 16), DYNAMIC: (1, 2, 3, 4, 6, 7, 8, 10, 12, 13, 14, 15, 17, 19)},
}
"""Set of classes -> role -> class numbers; other numbers are void."""


@dataclass(frozen=True)
class SemanticsConfig(Config):
    """Source of the label maps; `semantics` in an experiment's YAML file."""

    images: str = setting('', 'folder of the labelled images; empty: the training images')
    labels: str = setting('', 'folder of label images, named like the images')
    segmenter: str = setting(
        '',
        'instead of label images: MODULE:FUNCTION from an RGB image to class numbers or scores, '
        'or torchvision:NAME of a torchvision segmenter',
    )
    segmenter_weights: str = setting('', "state dict of torchvision's segmenter")
    classes: str = setting('camvid', 'meaning of the class numbers', choices=tuple(CLASSES))


@dataclass(frozen=True)
class LabelledFrames:
    """Images with their label maps.

    Attributes:
        frames: the images.
        name: description, for provenance.
        roles: (h, w) label map of a frame at the size of the network's input, or (3, H, W) scores
            of the roles.
    """

    frames: Sequence[Frame]
    name: str
    roles: Callable[[Frame], NDArray[np.number]]


def labelled_frames(
    config: SemanticsConfig, preprocessing: PreprocessingConfig, training: Sequence[Frame]
) -> LabelledFrames:
    """The configured images with their label maps.

    Args:
        config: source of images and labels.
        preprocessing: size of the network's input.
        training: images to use if none are configured.

    Raises:
        ConfigError: neither labels nor a segmenter, both, or one that cannot be imported.
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
            f'semantics.images: expected the folder of the images for the labels in '
            f'{config.labels}, found nothing; set it'
        )
    frames, name = training, 'the training images'
    if config.images:
        source = open_source(expanded(config.images))
        frames, name = source.frames, source.name
    if config.segmenter:
        label = _by_segmenter(_segmenter(config))
    else:
        label = _by_files(frames, expanded(config.labels))
    size = preprocessing.height_px, preprocessing.width_px
    return LabelledFrames(frames, name, _in_roles(label, config.classes, size))


def roles_of(class_numbers: NDArray[np.integer], classes: str) -> NDArray[np.uint8]:
    """Roles VOID, STATIC and DYNAMIC (H, W) from class numbers (H, W)."""
    roles = np.full(class_numbers.shape, VOID, np.uint8)
    for role, numbers in CLASSES[classes].items():
        roles[np.isin(class_numbers, list(numbers))] = role
    return roles


def role_scores(scores: NDArray[np.floating], classes: str) -> NDArray[np.float32]:
    """Scores (3, H, W) of the roles: the largest score of each role's classes (C, H, W)."""
    numbers = np.arange(len(scores))
    found = np.full((ROLES, *scores.shape[1:]), -np.inf, np.float32)
    known = {role: list(each) for role, each in CLASSES[classes].items()}
    known[VOID] = sorted(set(numbers.tolist()).difference(*known.values()))
    for role, chosen in known.items():
        own = scores[np.isin(numbers, chosen)]
        if len(own):
            found[role] = own.max(axis=0)
    return found


def _in_roles(
    label: Callable[[Frame, NDArray[np.uint8]], NDArray[np.number]],
    classes: str,
    size: tuple[int, int],
) -> Callable[[Frame], NDArray[np.number]]:
    """Label maps or role scores of frames, stretched to the network's input like the images."""

    def roles(frame: Frame) -> NDArray[np.number]:
        image = frame.load()
        found = label(frame, image)
        is_scored = found.ndim == 3 and np.issubdtype(found.dtype, np.floating)
        if not is_scored and (found.ndim != 2 or not np.issubdtype(found.dtype, np.integer)):
            raise SourceError(
                f'{frame.name}: expected a label map (H, W) of class numbers or scores (C, H, W), '
                f'found {found.dtype} {found.shape}; one number for each pixel, no colours'
            )
        check_aspect(found.shape[-2:], image.shape[:2], f'the image {frame.name}')
        if is_scored:
            return resized_scores(role_scores(np.asarray(found, np.float32), classes), size)
        return resized(roles_of(np.asarray(found, np.int64), classes), size)

    return roles


def resized_scores(scores: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(R, h, w) from (R, H, W), stretched like the image, by nearest neighbours."""
    found = [cv2.resize(each, size[::-1], interpolation=cv2.INTER_NEAREST) for each in scores]
    return np.stack([np.asarray(each, np.float32) for each in found])


def _by_segmenter(
    segmenter: Segmenter,
) -> Callable[[Frame, NDArray[np.uint8]], NDArray[np.number]]:
    return lambda _, image: np.asarray(segmenter(image))


def _by_files(
    frames: Sequence[Frame], folder: Path
) -> Callable[[Frame, NDArray[np.uint8]], NDArray[np.number]]:
    """Label images by the name of the image, ignoring suffixes.

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
            f'{len(missing)}, first {missing[0]}; name label images like the images'
        )
    return lambda frame, _: _read(files[names[frame.name]])


def _read(path: Path) -> NDArray[np.integer]:
    """The label image of a file.

    Raises:
        SourceError: the file is not an image.
    """
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise SourceError(f'{path}: expected a label image, found something else; check the file')
    return np.asarray(found)


def _segmenter(config: SemanticsConfig) -> Segmenter:
    """The configured function.

    Raises:
        ConfigError: it cannot be imported, or weights are missing or not applicable.
        WeightsError: the weights are not of torchvision's segmenter.
    """
    name = config.segmenter.removeprefix(PREFIX)
    is_torchvisions = name != config.segmenter
    if is_torchvisions != bool(config.segmenter_weights):
        found = config.segmenter_weights or 'none'
        raise ConfigError(
            f'semantics.segmenter_weights: expected a state dict for {PREFIX}NAME and none for '
            f'other segmenters, found {found} for {config.segmenter}; nothing is downloaded'
        )
    if is_torchvisions:
        return TorchvisionSegmenter(name, expanded(config.segmenter_weights))
    return _imported(config.segmenter)


def _imported(text: str) -> Segmenter:
    """Import the function of `MODULE:FUNCTION`.

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
