"""Builds a map from a source of images, or continues one that was interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.datatypes import Frame, Progress, ScalableLoad
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.errors import MapError, SourceError
from ghost_vpr_ros.core.map.cells import StoredCells
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.map.views import keeps_views, least_side_of_views, view_of
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.preprocessing import least_side_px, pixel_batch
from ghost_vpr_ros.core.verification.patch_features import PatchExtractor
from ghost_vpr_ros.replay.descriptors.stored import StoredDescriptors

SAME_IMAGE_SIMILARITY = 0.9999
"""One image described twice is this similar at least, even by another machine or engine."""


@dataclass(frozen=True)
class BuildResult:
    """Counts of a run.

    Attributes:
        session: the session of the map that was written.
        added: keyframes added by this run.
        present: keyframes of the source that an earlier run had added.
    """

    session: str
    added: int
    present: int


def remove_map(path: Path) -> None:
    """Delete a map and what SQLite or the search index left beside it; it may be missing.

    A killed writer leaves the write-ahead log, and a new map of this name would be refused.
    """
    for suffix in ('', '-wal', '-shm', '-journal', '.faiss'):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def removed_on_failure(path: Path) -> Iterator[None]:
    """Delete the new map at `path` where the work within fails: half a map is of no use."""
    try:
        yield
    except BaseException:
        remove_map(path)
        raise


def remaining_frames(place_map: PlaceMap, session: str, frames: Sequence[Frame]) -> list[Frame]:
    """The frames that the session, made if need be, does not hold yet: by name and stamp."""
    if session not in {info.name for info in place_map.sessions()}:
        place_map.add_session(session)
    held = {(k.name, k.stamp_ns) for k in place_map.keyframes() if k.session == session}
    return [frame for frame in frames if (frame.name, frame.stamp_ns) not in held]


def check_held_images(
    place_map: PlaceMap,
    session: str,
    frames: Sequence[Frame],
    model: DescribedModel,
    engine: Engine,
) -> None:
    """Describe the first and the last frame already in the session again, as a check.

    Images of another drive often have the same names; to pass over them would lose the drive.

    Raises:
        MapError: the session holds other images under these names.
        ImageError: an image cannot be read.
    """
    keyframes = place_map.keyframes()
    rows = {(k.name, k.stamp_ns): row for row, k in enumerate(keyframes) if k.session == session}
    held = [frame for frame in frames if (frame.name, frame.stamp_ns) in rows]
    if not held:
        return
    descriptors = place_map.descriptors()
    for frame in {held[0].name: held[0], held[-1].name: held[-1]}.values():
        stored = descriptors[rows[frame.name, frame.stamp_ns]]
        similarity = _similarity(frame, stored, model, engine)
        if similarity < SAME_IMAGE_SIMILARITY:
            raise MapError(
                f'{place_map.path}: session {session!r} holds other images of these names '
                f'({frame.name}: similarity {similarity:.4f}, expected 1); give --session NAME'
            )


def check_described_images(
    described: Iterable[tuple[Frame, NDArray[np.float32]]],
    folder: Path,
    model: DescribedModel,
    engine: Engine,
) -> None:
    """Describe some images of a folder of `ghost-vpr describe` again, as a check.

    Args:
        described: frames with the descriptor (D,) that is stored.
        folder: of the descriptors, for the message.
        model: that described them.
        engine: runs the model.

    Raises:
        SourceError: an image of that name shows something else now.
        ImageError: an image cannot be read.
    """
    for frame, stored in described:
        similarity = _similarity(frame, stored, model, engine)
        if similarity < SAME_IMAGE_SIMILARITY:
            raise SourceError(
                f'{folder}: {frame.name} is another image than the one that was described '
                f'(similarity {similarity:.4f}, expected 1); describe it into a new folder'
            )


def _similarity(
    frame: Frame, stored: NDArray[np.float32], model: DescribedModel, engine: Engine
) -> float:
    """Of a frame described again and its stored descriptor (D,)."""
    sides_px = [least_side_px(model.preprocessing)]
    if isinstance(frame.load, ScalableLoad):
        # Earlier versions described the whole image.
        sides_px.append(0)
    for side_px in sides_px:
        pixels = pixel_batch(frame.at_least(side_px), model.preprocessing)
        similarity = float(stored @ engine.describe(pixels)[0])
        if similarity >= SAME_IMAGE_SIMILARITY:
            break
    return similarity


def add_frames(
    place_map: PlaceMap,
    session: str,
    frames: Sequence[Frame],
    model: DescribedModel,
    engine: Engine,
    config: MapConfig,
    *,
    stored: StoredDescriptors | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Add every frame that the session lacks; a killed run is continued by calling this again.

    Args:
        place_map: open for writing.
        session: made where the map lacks it.
        frames: all frames of the source, those of an earlier run included.
        model: whose preprocessing is applied.
        engine: runs the model.
        config: of the stored views.
        stored: descriptors of these frames where they are known already; images are then read
            for their views only.
        progress: called with the number of frames since the last call.

    Raises:
        MapError: the session holds other images under the same names.
        SourceError: a frame is not among the stored descriptors.
        ImageError: an image cannot be read; what was added before stays in the map.
        OutputError: the disk is full.
    """
    remaining = remaining_frames(place_map, session, frames)
    check_held_images(place_map, session, frames, model, engine)
    present = len(frames) - len(remaining)
    if progress:
        progress(present)
    describe = _Describer(model, engine, config, stored)
    for frame in remaining:
        _add(place_map, session, frame, describe(frame))
        if progress:
            progress(1)
    place_map.commit()
    return BuildResult(session, len(remaining), present)


class _Described(NamedTuple):
    """What a map keeps of an image: descriptor (D,), JPEG and feature map."""

    descriptor: NDArray[np.float32]
    view_jpeg: bytes | None
    cells: StoredCells | None


class _Describer:
    """Reads and describes frames; an image is read only where something of it is needed."""

    def __init__(
        self,
        model: DescribedModel,
        engine: Engine,
        config: MapConfig,
        stored: StoredDescriptors | None,
    ) -> None:
        self._preprocessing = model.preprocessing
        self._cells = PatchExtractor(engine, model.preprocessing, VerificationConfig())
        self._engine, self._config, self._stored = engine, config, stored

    def __call__(self, frame: Frame) -> _Described:
        config, stored = self._config, self._stored
        if stored is not None and not (keeps_views(config) or config.store_cells):
            return _Described(stored.of(frame), None, None)
        image = frame.at_least(least_side_of_views(self._preprocessing, config))
        descriptor = stored.of(frame) if stored is not None else self._descriptor(image)
        cells = self._cells.cells_of(image) if config.store_cells else None
        return _Described(descriptor, view_of(image, config), cells)

    def _descriptor(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = pixel_batch(image, self._preprocessing)
        if self._config.store_cells:
            return self._cells.describe(image, pixels)[0]
        return self._engine.describe(pixels)[0]


def _add(place_map: PlaceMap, session: str, frame: Frame, described: _Described) -> None:
    """Both kinds of position go to the map, which decides on its frame."""
    place_map.add(
        session,
        frame.stamp_ns,
        described.descriptor,
        name=frame.name,
        pose=frame.pose,
        geo=frame.geo,
        view_jpeg=described.view_jpeg,
        cells=described.cells,
    )
