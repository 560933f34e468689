"""Vehicles that move: they come towards the camera, or drive ahead of it for a while."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ghost_vpr_ros.replay.sample_town.route import Line
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.streets import LANE_M
from ghost_vpr_ros.replay.sample_town.vehicles import Vehicle, draw_vehicle

METRES_PER_ONCOMING = 90.0
SIGHT_M = 130.0
NEAREST_M = 4.0


@dataclass(frozen=True)
class Mover:
    """A vehicle on the camera's route.

    Attributes:
        vehicle: its looks.
        meeting_m: travelled distance of the camera at which it is passed (oncoming), or at which
            it turns in ahead of it.
        speed_ratio: its speed over that of the camera; negative when it comes towards it.
    """

    vehicle: Vehicle
    meeting_m: float
    speed_ratio: float

    def offset_m(self, along_m: float) -> float:
        """How far ahead of the camera it is when that has travelled `along_m`."""
        if self.speed_ratio < 0:
            return (self.meeting_m - along_m) * (1 - self.speed_ratio)
        return 11.0 + (along_m - self.meeting_m) * (self.speed_ratio - 1)

    def is_there(self, along_m: float) -> bool:
        """Whether it is in sight, and on the road at all."""
        started = self.speed_ratio < 0 or along_m >= self.meeting_m
        return started and NEAREST_M < self.offset_m(along_m) < SIGHT_M


def draw_traffic(seed: int, drive: int, length_m: float) -> list[Mover]:
    """The moving vehicles of a drive."""
    rng = stream(seed, 'traffic', drive)
    movers = []
    for _ in range(rng.poisson(length_m / METRES_PER_ONCOMING)):
        vehicle = draw_vehicle(rng, np.zeros(2), 0.0)
        movers.append(
            Mover(vehicle, float(rng.uniform(0, length_m)), -float(rng.uniform(0.7, 1.3)))
        )
    for start in np.arange(float(rng.uniform(30, 150)), length_m, 260.0):
        vehicle = draw_vehicle(rng, np.zeros(2), 0.0)
        movers.append(Mover(vehicle, float(start), float(rng.uniform(1.2, 1.6))))
    return movers


def vehicles_at(movers: list[Mover], line: Line, along_m: float) -> list[Vehicle]:
    """The moving vehicles on the road when the camera has travelled `along_m` of its line."""
    placed = []
    for mover in movers:
        if not mover.is_there(along_m):
            continue
        oncoming = mover.speed_ratio < 0
        left = LANE_M if oncoming else 0.0
        position, yaw = line.at(along_m + mover.offset_m(along_m), left)
        turned = yaw + (np.pi if oncoming else 0.0)
        placed.append(dataclasses.replace(mover.vehicle, position=position, yaw_rad=turned))
    return placed
