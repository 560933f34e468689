"""A map of four invented places, small enough to be made in a test, and images of its places."""

from pathlib import Path

import cv2
import numpy as np

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame, GeoPoint
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.model.initialisation import build_untrained
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.opened_map import create_map
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors

NUM_PLACES = 4
VIEWS_OF_A_PLACE = 5
HEIGHT_PX, WIDTH_PX = 240, 320
ORIGIN = GeoPoint(52.2, 0.12)
PLACES_APART_DEG = 0.001


def view(place: int, shift_px: int) -> np.ndarray:
    """RGB uint8 (240, 320, 3): coloured blocks that only this place has, moved sideways."""
    blocks = np.random.default_rng(100 + place).integers(0, 256, (12, 20, 3), np.uint8)
    wall = cv2.resize(blocks, (WIDTH_PX + 80, HEIGHT_PX), interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(wall[:, shift_px : shift_px + WIDTH_PX])


def position(place: int, number: int) -> GeoPoint:
    """Views of one place are 1 m apart, places 111 m."""
    latitude_deg = ORIGIN.latitude_deg + place * PLACES_APART_DEG + number * 1e-5
    return GeoPoint(latitude_deg, ORIGIN.longitude_deg)


def map_frames() -> list[Frame]:
    """The views that go into the map, place by place."""
    return [
        Frame(
            name=f'place{place}_{number}',
            load=lambda place=place, number=number: view(place, 4 * number),
            stamp_ns=(1 + VIEWS_OF_A_PLACE * place + number) * 1_000_000_000,
            geo=position(place, number),
        )
        for place in range(NUM_PLACES)
        for number in range(VIEWS_OF_A_PLACE)
    ]


def make_model(seed: int = 0, clusters: int = 4) -> VprModel:
    """An untrained network with a small input."""
    preprocessing = PreprocessingConfig(width_px=160, height_px=120)
    images = [frame.load() for frame in map_frames()]
    return build_untrained(ModelConfig(clusters=clusters), preprocessing, images, seed)


def make_map(path: Path, model: VprModel | StoredModel) -> Path:
    """Write the map; returns its path."""
    frames = map_frames()
    descriptors = extract_descriptors(frames, model, create_engine(model))
    with create_map(path, model) as place_map:
        session = place_map.add_session('first_drive')
        for frame, descriptor in zip(frames, descriptors, strict=True):
            place_map.add(
                session,
                frame.stamp_ns,
                descriptor,
                name=frame.name,
                geo=frame.geo,
                view_jpeg=encode_jpeg(frame.load()),
            )
    return path


def write_queries(folder: Path) -> Path:
    """One image of each place, from a spot between two views of the map; returns the folder."""
    folder.mkdir()
    for place in range(NUM_PLACES):
        bgr = cv2.cvtColor(view(place, 6), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f'query{place}.png'), bgr)
    return folder
