"""A street of places whose descriptors are given, and a drive along it with known truth."""

from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.datatypes import Frame, Pose
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.replay.descriptors.remembering_engine import RememberingEngine
from test.core.model.tiny_model import pictures
from test.core.scripted import ScriptedEngine, scripted_recognizer

DIM, STEP_M = 16, 100.0


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def street(count: int, seed: int = 0) -> np.ndarray:
    """(count, D) one descriptor for each place."""
    return unit(np.random.default_rng(seed).standard_normal((count, DIM)))


def drive_along(places: np.ndarray, blur: float, seed: int = 1) -> np.ndarray:
    """(n, D) the places seen again, from clear at the start to `blur` at the end."""
    noise = unit(np.random.default_rng(seed).standard_normal(places.shape))
    return unit(places + np.linspace(0.1, blur, len(places))[:, np.newaxis] * noise)


def drive_frames(count: int, seconds_apart: float = 0.0) -> list[Frame]:
    """One frame at each place, 100 m apart along x; without stamps each is on its own."""
    stamp_ns = [round(n * seconds_apart * 1e9) if seconds_apart else -1 for n in range(count)]
    return [
        Frame(
            f'{n}.png',
            lambda image=image: image,
            stamp_ns[n],
            pose=Pose(np.array([STEP_M * n, 0.0, 0.0])),
        )
        for n, image in enumerate(pictures(count, seed=5))
    ]


def street_recognizer(
    path: Path, model: VprModel, places: np.ndarray, script: np.ndarray
) -> PlaceRecognizer:
    """A recogniser over a map of the places; it remembers the descriptors of the script."""
    positions = np.zeros((len(places), 3))
    positions[:, 0] = STEP_M * np.arange(len(places))
    scripted = scripted_recognizer(path, model, places, positions, script)
    engine = RememberingEngine(ScriptedEngine(model.model_hash, script))
    scripted.close()
    return PlaceRecognizer(model, engine, PlaceMap.open(path), scripted.config)
