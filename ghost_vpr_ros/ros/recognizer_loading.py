"""Opening the map and the network that a node's configuration names, and checking them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model, model_from_bytes
from ghost_vpr_ros.core.place_map import PlaceMap
from ghost_vpr_ros.ros.parameters import NodeConfig


class LoadedMap(NamedTuple):
    """A map and the network that made its descriptors."""

    place_map: PlaceMap
    model: VprModel


def open_map_and_model(config: NodeConfig) -> LoadedMap:
    """The map, read-only, and its network; they fit, and the network runs on the device.

    Raises:
        MapError: no map is named, it is missing or damaged, or it belongs to another model.
        WeightsError: the weights file is missing or unreadable.
        DeviceError: the machine lacks the device.
    """
    if not config.map:
        raise MapError('parameter map: expected a map file, found none; set map:=FILE')
    with ExitStack() as stack:
        loaded = _open(config)
        stack.callback(loaded.place_map.close)
        # Made and closed: the device is known to work, its memory stays free until activation.
        create_engine(loaded.model, config.engine, config.device).close()
        stack.pop_all()
    return loaded


def _open(config: NodeConfig) -> LoadedMap:
    if config.model:
        model = load_model(config.model)
        place_map = PlaceMap.open(
            config.map,
            expected_model_hash=model.model_hash,
            expected_dim=model.descriptor_dim,
        )
        return LoadedMap(place_map, model)
    place_map = PlaceMap.open(config.map)
    try:
        return LoadedMap(place_map, model_from_bytes(place_map.model_bytes(), config.map))
    except Exception:
        place_map.close()
        raise
