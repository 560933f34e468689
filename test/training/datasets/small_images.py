"""Small image files for the tests of data sets."""

from pathlib import Path

import numpy as np
from PIL import Image

from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.places.relations import positives_of
from training.datasets.data_config import DataConfig
from training.datasets.open_place_set import open_place_set


def write_images(folder: Path, names) -> None:
    """One image of 4 x 3 pixels for each name, another grey for each."""
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((3, 4, 3), 10 + number, np.uint8)).save(file)


def opened(path, **settings) -> PlaceSet:
    return open_place_set(
        DataConfig.from_dict({'path': path if isinstance(path, list) else str(path), **settings})
    )


def names_of(places: PlaceSet, rows) -> list[str]:
    return [places.frames[row].name for row in rows]


def positives_by_name(places: PlaceSet, radius_m: float) -> dict[str, list[str]]:
    pairs = positives_of(places, radius_m)
    return {
        places.frames[query].name: names_of(places, places.database[pairs.rows(number)])
        for number, query in enumerate(places.queries)
    }
