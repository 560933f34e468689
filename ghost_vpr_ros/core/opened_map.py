"""Opening a map with its network for one of the robot's modes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.engine.networks_of_others import stored_model
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.database import SharedAddress, shared_address
from ghost_vpr_ros.core.fleet.shared_map import SharedMap
from ghost_vpr_ros.core.home import expanded
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.model.weights_file import StoredModel

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.vpr_model import VprModel


class OpenedMap(NamedTuple):
    """A map and the network that makes its descriptors."""

    place_map: MapReader
    model: StoredModel


def open_map(
    path: Path | str,
    model_path: Path | str | None = None,
    mode: str = 'localize',
    config: MapConfig | None = None,
) -> OpenedMap:
    """A map for one of `MODES`: read only, new, or extended.

    Args:
        path: the map's file, or the address of a fleet's shared map, which is only read.
        model_path: as `stored_model` takes it; None: the map's own, and for a new map those of
            this package.
        mode: `localize` reads; `map` begins a map; `localize_and_map` continues or begins one.
        config: of a map that is written.

    Raises:
        MapError: missing, damaged, of another model, or `map` would mix a new run with an old
            map.
        WeightsError: the weights are missing or damaged.
        OutputError: the map cannot be written.
    """
    given = stored_model(expanded(model_path)) if model_path else None
    shared = shared_address(path)
    if shared is not None:
        return _shared(shared, given, mode)
    path = Path(expanded(path))
    if mode == 'localize' or path.exists():
        return _existing(path, given, mode, config)
    model = given or default_weights()
    return OpenedMap(create_map(path, model, config), model)


def create_map(
    path: Path | str, model: VprModel | StoredModel, config: MapConfig | None = None
) -> PlaceMap:
    """A new, empty map for the descriptors of a network, which travels in it.

    Raises:
        MapError: the file exists already.
        OutputError: the folder is missing, read-only or full.
    """
    return PlaceMap.create(
        path,
        model.model_hash,
        model.descriptor_dim,
        model.preprocessing,
        bytes_of(model),
        config,
        model.name,
    )


def bytes_of(model: VprModel | StoredModel) -> bytes:
    """The bytes of a network's weights file, as a map stores them."""
    if isinstance(model, StoredModel):
        return model.data
    from ghost_vpr_ros.core.model.weights import model_to_bytes

    return model_to_bytes(model)


def _existing(
    path: Path, given: StoredModel | None, mode: str, config: MapConfig | None
) -> OpenedMap:
    place_map = PlaceMap.open(
        path,
        writable=mode != 'localize',
        expected_model_hash=None if given is None else given.model_hash,
        expected_dim=None if given is None else given.descriptor_dim,
        config=config,
    )
    try:
        if mode == 'map' and len(place_map):
            raise MapError(
                f'{path}: expected no map, or an empty one, for mode map, found '
                f'{len(place_map)} keyframes; name a new file, or continue this map with mode '
                'localize_and_map'
            )
        model = given or place_map.model()
    except BaseException:
        place_map.close()
        raise
    return OpenedMap(place_map, model)


def _shared(address: SharedAddress, given: StoredModel | None, mode: str) -> OpenedMap:
    if mode != 'localize':
        raise MapError(
            f'{address}: expected a map file for mode {mode}, found a shared map, which is only '
            'read; map into a file and publish it with `ghost-vpr share`'
        )
    place_map = SharedMap.at(
        address,
        expected_model_hash=None if given is None else given.model_hash,
        expected_dim=None if given is None else given.descriptor_dim,
    )
    try:
        model = given or place_map.model()
    except BaseException:
        place_map.close()
        raise
    return OpenedMap(place_map, model)
