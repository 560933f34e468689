"""Keyframes, candidates and a recogniser whose descriptors are written into the images."""

from pathlib import Path

import numpy as np

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate, Keyframe, Pose
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.recognizer import PlaceRecognizer


def keyframe(number: int, position_m=None, yaw_rad: float | None = None) -> Keyframe:
    pose = None
    if position_m is not None:
        quaternion = None if yaw_rad is None else yaw_to_quaternion(yaw_rad)
        pose = Pose(np.array(position_m, dtype=np.float64), quaternion)
    return Keyframe(number, 'walk', number, f'{number}.jpg', pose)


def candidate(
    position_m=(0.0, 0.0, 0.0),
    probability: float = 0.9,
    yaw_rad: float | None = None,
    similarity: float = 0.9,
) -> Candidate:
    found = keyframe(1, position_m, yaw_rad)
    return Candidate(found, similarity, probability, by_itself=probability)


class ScriptedEngine:
    """Describes the n-th image with the n-th row of a script."""

    name = 'scripted'

    def __init__(self, model_hash: str, script: np.ndarray) -> None:
        self.model_hash = model_hash
        self.descriptor_dim = script.shape[1]
        self.closed = False
        self._rows = iter(script.astype(np.float32))

    def describe(self, batch: np.ndarray) -> np.ndarray:
        return np.stack([next(self._rows) for _ in batch])

    def close(self) -> None:
        self.closed = True


def scripted_recognizer(
    path: Path,
    model: VprModel,
    descriptors: np.ndarray,
    positions: np.ndarray | None,
    script: np.ndarray,
    config: RecognizerConfig | None = None,
) -> PlaceRecognizer:
    """A recogniser over a map of given descriptors and positions (east, north, up in metres)."""
    dim = script.shape[1]
    with PlaceMap.create(path, model.model_hash, dim, model.preprocessing, b'none') as place_map:
        session = place_map.add_session('walk')
        for row, descriptor in enumerate(descriptors):
            pose = None if positions is None else Pose(positions[row])
            place_map.add(session, row, descriptor, pose=pose)
    engine = ScriptedEngine(model.model_hash, script)
    return PlaceRecognizer(model, engine, PlaceMap.open(path), config or RecognizerConfig())
