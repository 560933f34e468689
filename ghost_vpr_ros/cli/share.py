"""Publish a map to a fleet's shared map: a server, or a database in a folder.

What is published already is not changed, so the command can be repeated at any time: after an
interruption, or when the map has grown. The shared map answers `ghost-vpr query`, `replay`,
`info` and the node: give its address instead of a map file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.progress import progress_bar, say_warnings
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.config.map import SharingConfig

if TYPE_CHECKING:
    from ghost_vpr_ros.core.fleet.publisher import Published
    from ghost_vpr_ros.core.fleet.store import SharedStore
    from ghost_vpr_ros.core.map.place_map import PlaceMap


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('map', metavar='MAP', type=Path, help='map file of one robot')
    parser.add_argument(
        '--to',
        required=True,
        metavar='ADDRESS',
        help='http://HOST:PORT of a Milvus server, or a folder FLEET.db; /NAME after it keeps '
        'several shared maps apart',
    )
    parser.add_argument(
        '--name', help="of this map among those of other robots (default: the file's name)"
    )
    add_settings(parser, SharingConfig)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Publish the map and print the changes."""
    from ghost_vpr_ros.core.fleet.database import new_shared_address
    from ghost_vpr_ros.core.fleet.publisher import model_record
    from ghost_vpr_ros.core.fleet.store import SharedStore
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    config = config_from(args, SharingConfig)
    address = new_shared_address(args.to)
    with PlaceMap.open(args.map) as place_map:
        say_warnings(place_map)
        model, weights = model_record(place_map), place_map.model_bytes()
        with SharedStore.create(address, model, weights, config.index_type) as store:
            result = _publish(args, place_map, store, config)
            total = sum(1 for _ in store.rows())
    print_result(
        {
            'map': str(args.map),
            'shared_map': str(address),
            'keyframes_added': result.added,
            'keyframes_updated': result.updated,
            'keyframes_present_before': result.present,
            'keyframes_shared': total,
        },
        args.json,
    )
    return 0


def _publish(
    args: argparse.Namespace, place_map: PlaceMap, store: SharedStore, config: SharingConfig
) -> Published:
    from ghost_vpr_ros.core.fleet.publisher import Publisher

    with progress_bar(len(place_map), 'share') as progress:
        return Publisher(
            place_map,
            store,
            args.name or args.map.stem,
            same_frame=config.same_frame,
            with_views=config.views,
            progress=progress,
        ).publish()
