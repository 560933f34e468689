"""Maps that are published to a shared map in a real, embedded database."""

from pathlib import Path

from ghost_vpr_ros.core.fleet.database import SharedAddress
from ghost_vpr_ros.core.fleet.publisher import Published, Publisher, model_record
from ghost_vpr_ros.core.fleet.store import SharedStore
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.map_making import TOWN, WEIGHTS, unit_rows


def publish(path: Path, address: SharedAddress, name: str = '', **options) -> Published:
    with (
        PlaceMap.open(path) as place_map,
        SharedStore.create(address, model_record(place_map), WEIGHTS, 'FLAT') as store,
    ):
        return Publisher(place_map, store, name or path.stem, **options).publish()


def extend(path: Path, session: str, seed: int) -> None:
    with PlaceMap.open(path, writable=True) as place_map:
        place_map.add_session(session)
        for row, descriptor in enumerate(unit_rows(5, seed=seed)):
            place_map.add(session, 10_000 + row, descriptor, name=f'{seed}.jpg', geo=TOWN)
