"""The few names that a program needs; `docs/api.md` shows their use.

from ghost_vpr_ros import PlaceMap, load_model

places = PlaceMap.build('photos', 'photos.map')
answer = places.query('a_photo.jpg')
descriptors = load_model().describe(['a_photo.jpg'])
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Hypothesis, Pose
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import (
    GhostVprError,
    ImageError,
    MapError,
    SourceError,
    WeightsError,
)
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.opened_map import create_map
from ghost_vpr_ros.core.preprocessing import least_side_px, pixel_batch
from ghost_vpr_ros.core.recognizer import PlaceRecognizer

if TYPE_CHECKING:
    from ghost_vpr_ros.core.engine import Engine
    from ghost_vpr_ros.core.model.weights_file import StoredModel

__all__ = ['Image', 'Model', 'PlaceMap', 'PlaceRecognizer', 'load_model']

Image = Path | str | NDArray[np.uint8]
"""A file, or the pixels: RGB uint8 (H, W, 3)."""


class Model:
    """A network that describes images; made by `load_model`.

    Attributes:
        name: architecture, input size and D in words.
        descriptor_dim: D.
        model_hash: equal hashes give equal descriptors.
    """

    def __init__(self, stored: StoredModel, engine: EngineConfig | None = None) -> None:
        """Take a network; it is put on its device with the first image."""
        self._stored = stored
        self._config = engine
        self._engine: Engine | None = None
        self.name = stored.name
        self.descriptor_dim = stored.descriptor_dim
        self.model_hash = stored.model_hash

    def describe(self, images: Image | Iterable[Image]) -> NDArray[np.float32]:
        """Descriptors (B, D) float32 of unit norm: their products are cosines of similarity.

        Args:
            images: files or pixels, RGB uint8 (H, W, 3); one, or several.

        Raises:
            ImageError: a file cannot be read, or an array is not such an image.
            DeviceError: nothing here runs the network.
        """
        several = _several(images)
        if self._engine is None:
            self._engine = create_engine(self._stored, self._config)
        config = self._stored.preprocessing
        pictures = (_pixels(image, least_side_px(config)) for image in several)
        found = [self._engine.describe(pixel_batch(each, config)) for each in pictures]
        return np.concatenate(found) if found else np.empty((0, self.descriptor_dim), np.float32)

    def close(self) -> None:
        """Free the network; the next image puts it on its device again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f'<Model {self.name}>'


def load_model(name: Path | str | None = None, **settings: Any) -> Model:
    """A network, ready to describe images.

    Args:
        name: weights file, `ghost-vpr`, `ghost-vpr-2048` or `ghost-dil` (those of this package),
            ONNX file or `torchvision:NAME`; None: `ghost-vpr`.
        settings: of `EngineConfig`, such as `engine='onnxruntime'` or `device='cuda'`, and for a
            foreign network of `PreprocessingConfig`, such as `width_px=322`.

    Raises:
        WeightsError: the file is missing, damaged, or no network that describes an image.
        ConfigError: a setting is unknown, out of range, or fixed by the weights.
    """
    from ghost_vpr_ros.core.engine.networks_of_others import stored_model
    from ghost_vpr_ros.core.model.default_weights import default_weights, default_weights_path

    of_input = {item.name for item in settings_of(PreprocessingConfig)} & settings.keys()
    given = {key: settings.pop(key) for key in sorted(of_input)}
    config = EngineConfig.from_dict(settings)
    if name is None and not given:
        return Model(default_weights(), config)
    if name is not None:
        _path(name, WeightsError, 'the name or the path of a network')
    return Model(stored_model(default_weights_path() if name is None else name, given), config)


class PlaceMap:
    """A map of places in a file, and the network that made it; made by `build` or `open`."""

    def __init__(self, recognizer: PlaceRecognizer) -> None:
        """Search through a recogniser; `open` makes one."""
        self.recognizer = recognizer
        self._is_closed = False

    @classmethod
    def build(
        cls,
        source: Path | str,
        path: Path | str,
        model: Model | Path | str | None = None,
        **recognizer: Any,
    ) -> PlaceMap:
        """A new map of a folder of photos, a CSV manifest or a bag, opened.

        Args:
            source: what `ghost-vpr build-map` takes.
            path: the file to write; nothing may be there.
            model: a network, or its name as for `load_model`.
            recognizer: settings of `RecognizerConfig`, such as `top_k=5`.

        As with the command, images without a position are left out where others have one, and so
        are those that lie on another part of the Earth. A map that fails on the way is removed.

        Raises:
            SourceError, ImageError, BagError: the source cannot be used.
            WeightsError, DeviceError: the network cannot be used.
            MapError, OutputError: the file exists already, or it cannot be written.
            ConfigError: a setting is unknown or out of range.
        """
        from ghost_vpr_ros.replay.map_builder import add_frames, removed_on_failure
        from ghost_vpr_ros.replay.sources.image_sources import open_source
        from ghost_vpr_ros.replay.sources.plausible_positions import near_frames, placed_frames

        RecognizerConfig.from_dict(recognizer)
        file = _path(path, MapError, 'the path of the map to write')
        images = open_source(_path(source, SourceError, 'a folder, a manifest or a bag'))
        network = model if isinstance(model, Model) else load_model(model)
        stored = network._stored
        frames = near_frames(placed_frames(images.frames))
        with closing(create_engine(stored, network._config)) as engine:
            made = create_map(file, stored)
            with removed_on_failure(file), made:
                add_frames(made, images.short_name, frames, stored, engine, MapConfig())
        return cls.open(file, **recognizer)

    @classmethod
    def open(cls, path: Path | str, **recognizer: Any) -> PlaceMap:
        """An existing map.

        Args:
            path: the map's file, or the address of a shared map.
            recognizer: settings of `RecognizerConfig`, such as `top_k=5`.

        Raises:
            MapError: missing, damaged or of a newer version.
            ConfigError: a setting is unknown or out of range.
        """
        config = RecognizerConfig.from_dict(recognizer)
        # An address is text: a path would lose one of its slashes.
        file = path if isinstance(path, str) else _path(path, MapError, 'the path of a map')
        return cls(PlaceRecognizer.open(file, config=config))

    def query(
        self, image: Image, stamp_ns: int = UNKNOWN_STAMP_NS, odometry: Pose | None = None
    ) -> Hypothesis:
        """Where an image was taken: state, reason, and candidates with similarity, best first.

        Args:
            image: file or pixels, RGB uint8 (H, W, 3).
            stamp_ns: time of capture in nanoseconds, for a drive whose images follow each other;
                without one an image is judged on its own.
            odometry: pose of the camera's body at that time, in the odometry's frame.

        Raises:
            ImageError: the file cannot be read, or the array is not such an image.
            ConfigError: the stamp is no integer, or the odometry no pose.
            MapError: the map is closed.
        """
        if self._is_closed:
            raise MapError(f'{self.path} is closed; open it again with PlaceMap.open')
        return self.recognizer.recognize(
            _pixels(image, self.recognizer.least_side_px), stamp_ns, odometry
        )

    def query_all(self, images: Image | Iterable[Image]) -> list[Hypothesis]:
        """The answers to several images, each on its own.

        Raises:
            ImageError, MapError: as `query`.
        """
        return [self.query(image) for image in _several(images)]

    @property
    def path(self) -> str:
        """Where it is."""
        return str(self.recognizer.place_map.path)

    def __len__(self) -> int:
        return len(self.recognizer.place_map)

    def close(self) -> None:
        """Free the network and close the file."""
        self._is_closed = True
        self.recognizer.close()

    def __enter__(self) -> PlaceMap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        sessions = self.recognizer.place_map.session_names
        names = ', '.join(sessions[:3]) + (', ...' if len(sessions) > 3 else '')
        return f'<PlaceMap {self.path}: {len(self)} keyframes of {names or "no session"}>'


def _several(images: Image | Iterable[Image]) -> list[Image]:
    """The images one by one, where one or several may be given."""
    if isinstance(images, (str, bytes, Path, np.ndarray)) or _has_pixels(images):
        return cast('list[Image]', [images])
    if not isinstance(images, Iterable):
        raise _no_image(images)
    return list(images)


def _pixels(image: Image, least_side_px: int) -> NDArray[np.uint8]:
    """The pixels of a file, or of what has an array: NumPy's, a picture of Pillow, a tensor."""
    if isinstance(image, (str, os.PathLike)):
        return read_image(Path(image), least_side_px=least_side_px)
    if not _has_pixels(image):
        raise _no_image(image)
    return np.asarray(image)


def _has_pixels(found: object) -> bool:
    return hasattr(found, '__array__') or hasattr(found, '__array_interface__')


def _no_image(found: object) -> ImageError:
    return ImageError(
        'image: expected the path of a file, or pixels as an array, RGB uint8 (H, W, 3), found '
        f'{type(found).__name__}'
    )


def _path(path: object, kind: type[GhostVprError], expected: str) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise kind(f'expected {expected}, as text or Path, found {type(path).__name__}')
    return Path(path)
