"""Opening the map and the network that a node's configuration names, and checking them."""

from __future__ import annotations

from contextlib import ExitStack

from ghost_vpr_ros.core.engine import prepare_engine
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.opened_map import OpenedMap, open_map
from ghost_vpr_ros.ros.parameters import NodeParameters


def open_map_and_model(parameters: NodeParameters) -> OpenedMap:
    """The map for the node's mode, and its network; they fit, and the network runs on the device.

    Raises:
        MapError: no map is named, it is missing or damaged, or it belongs to another model.
        WeightsError: the weights file is missing or unreadable.
        DeviceError: the machine lacks the device.
        OutputError: the map cannot be written.
    """
    config = parameters.node
    if not config.map:
        raise MapError('parameter map: expected a map file, found none; set map:=FILE')
    with ExitStack() as stack:
        loaded = open_map(config.map, config.model or None, config.mode, parameters.storage)
        stack.callback(loaded.place_map.close)
        # The device is known to be there; its memory stays free until activation.
        prepare_engine(loaded.model, parameters.engine)
        stack.pop_all()
    return loaded
