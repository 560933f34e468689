"""A robot that drives rounds and keeps what it sees, with descriptors written by the test."""

import math

import numpy as np

from ghost_vpr_ros.core.config.map import MapConfig, MappingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.mapping.mapper import PlaceMapper
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from test.core.scripted import ScriptedEngine

SECOND = 1_000_000_000
ROUND_M, STEP_M = 200.0, 2.0
PLACES = round(ROUND_M / STEP_M)
DIM = 64
CONFIG = RecognizerConfig(group_radius_m=6.0, top_k=5)
STORAGE = MapConfig()
MAPPING = MappingConfig(keyframe_distance_m=3.9, past_distance_m=30.0, duplicate_similarity=1.0)


def looks(place: int, seed: int) -> np.ndarray:
    """(64,) what a place looks like: like its neighbours, and a little different each time."""
    angles = np.arange(PLACES) - place % PLACES
    near = np.exp(-0.5 * (np.remainder(angles + PLACES / 2, PLACES) - PLACES / 2) ** 2)
    directions = np.random.default_rng(0).normal(size=(PLACES, DIM)) / 8.0
    found = near @ directions + 0.02 * np.random.default_rng(1000 + seed).normal(size=DIM)
    return (found / np.linalg.norm(found)).astype(np.float32)


def on_circle(place: float, start=(0.0, 0.0, 0.0)) -> Pose:
    """Pose on a round of 200 m, seen from a frame whose origin is at `start` (x, y, yaw)."""
    radius_m = ROUND_M / math.tau
    angle = math.tau * place / PLACES
    x, y = radius_m * math.sin(angle), radius_m * (1.0 - math.cos(angle))
    cosine, sine = math.cos(start[2]), math.sin(start[2])
    position = np.array([cosine * x - sine * y + start[0], sine * x + cosine * y + start[1], 0.0])
    return Pose(position, yaw_to_quaternion(angle + start[2]))


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def open_mapper(path, model, descriptors, mapping=MAPPING, storage=STORAGE) -> PlaceMapper:
    """A mapper on a new map, or on the one that is there."""
    if path.exists():
        place_map = PlaceMap.open(path, writable=True, config=storage)
    else:
        content = (model.model_hash, DIM, model.preprocessing, b'none')
        place_map = PlaceMap.create(path, *content, storage)
    engine = ScriptedEngine(model.model_hash, descriptors)
    recognizer = PlaceRecognizer(model, engine, place_map, CONFIG)
    return PlaceMapper(recognizer, mapping, storage)


def seen_along(places, seed: int = 0) -> np.ndarray:
    """(n, 64) what is seen at each of these places in turn."""
    return np.array([looks(place, seed + n) for n, place in enumerate(places)])


def drive(
    path, model, places, *, seed=0, odometry=on_circle, geo=None,
    mapping=MAPPING, storage=STORAGE, config=CONFIG,
):  # fmt: skip
    """Answers, and the positions of all keyframes of the map afterwards."""
    mapper = open_mapper(path, model, seen_along(places, seed), mapping, storage)
    mapper.recognizer.config = config
    answers = []
    for number, place in enumerate(places):
        pose = None if odometry is None else odometry(place)
        fix = None if geo is None else geo(place)
        answers.append(mapper.recognize(image(seed + number), (number + 1) * SECOND, pose, fix))
    keyframes = mapper.recognizer.place_map.keyframes()
    mapper.recognizer.close()
    return answers, keyframes
