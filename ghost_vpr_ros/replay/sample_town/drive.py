"""A drive through the town: what its sensors saw, with the truth beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import GeoPoint, Pose
from ghost_vpr_ros.core.poses import yaw_to_heading
from ghost_vpr_ros.replay.sample_town import gps, route, traffic
from ghost_vpr_ros.replay.sample_town.camera import PinholeCamera, make_camera, yaw_of
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.light import light_of_drive
from ghost_vpr_ros.replay.sample_town.odometry import measure_odometry
from ghost_vpr_ros.replay.sample_town.renderer import Renderer
from ghost_vpr_ros.replay.sample_town.scene import Scene
from ghost_vpr_ros.replay.sample_town.seeding import stream
from ghost_vpr_ros.replay.sample_town.surfaces import Texture
from ghost_vpr_ros.replay.sample_town.town import Town, build_town
from ghost_vpr_ros.replay.sample_town.trajectory import Trajectory, drive_along

REVERSED_DRIVE = 2


@dataclass(frozen=True)
class DriveFrame:
    """One image of a drive and its data.

    Attributes:
        index: position in the drive.
        stamp_ns: time of capture.
        map_T_base: (4, 4) exact pose of `base_link`, map frame (ENU about the town's origin).
        odometry: drifting pose of `base_link` in the odometry frame, with covariance.
        fix: noisy WGS84 position of `base_link`, or None in a gap.
        fix_sigma_m: the deviation that the receiver states.
        load: renders the image, RGB uint8 (H, W, 3); the same at every call.
    """

    index: int
    stamp_ns: int
    map_T_base: NDArray[np.float64]
    odometry: Pose
    fix: GeoPoint | None
    fix_sigma_m: float
    load: Callable[[], NDArray[np.uint8]]


class SampleTown:
    """The town and its drives; everything is made on first use.

    Attributes:
        config: all settings.
        camera: intrinsics and mount, the same in each drive.
    """

    def __init__(self, config: TownConfig) -> None:
        self.config = config
        self.camera: PinholeCamera = make_camera(
            config.width_px, config.height_px, config.focal_ratio, config.camera_height_m
        )
        self._pictures: dict[str, Texture] = {}

    @cached_property
    def town(self) -> Town:
        """Streets, houses and trees."""
        return build_town(self.config.seed, self.config.blocks)

    def drive(self, number: int) -> Drive:
        """A drive by its number, from 0; the third one goes the other way round."""
        return Drive(self, number, self._pictures)


class Drive:
    """One drive at one time of the year and day.

    Attributes:
        number: from 0.
        light: weather and time of day.
        line: the middle of the lane that is followed.
        trajectory: exact motion.
        frames: one for each image; the images are rendered on demand.
    """

    def __init__(self, sample: SampleTown, number: int, pictures: dict[str, Texture]) -> None:
        self._sample, self._pictures = sample, pictures
        config = sample.config
        self.number, self.light = number, light_of_drive(config.seed, number)
        self.line = _line(sample.town, config, number == REVERSED_DRIVE)
        self.trajectory: Trajectory = drive_along(self.line, config, number, self.light)
        self._movers = traffic.draw_traffic(config.seed, number, self.trajectory.along_m[-1])
        self.frames = self._make_frames()

    @cached_property
    def renderer(self) -> Renderer:
        """Draws this drive's images; holds its lit textures, some hundred megabytes."""
        config = self._sample.config
        scene = Scene(
            self._sample.town, self.number, self.light, config.parked_share, self._pictures
        )
        return Renderer(scene, self._sample.camera)

    def _load(self, index: int) -> NDArray[np.uint8]:
        along = float(self.trajectory.along_m[index])
        moving = traffic.vehicles_at(self._movers, self.line, along)
        grain = stream(self._sample.config.seed, 'grain', self.number, index)
        return self.renderer.render(self.trajectory.map_T_base[index], moving, grain)

    def release(self) -> None:
        """Free the lit textures; they are made again for the next image."""
        self.__dict__.pop('renderer', None)

    def compass_deg(self, sigma_deg: float) -> NDArray[np.float64]:
        """Noisy headings (N,) in degrees clockwise from north, 0 to 360."""
        noise = stream(self._sample.config.seed, 'compass', self.number)
        exact = [yaw_to_heading(yaw_of(frame.map_T_base)) for frame in self.frames]
        return (np.array(exact) + noise.normal(0, sigma_deg, len(exact))) % 360.0

    def _make_frames(self) -> list[DriveFrame]:
        config, path = self._sample.config, self.trajectory
        odometry = measure_odometry(path, config, self.number)
        fixes = gps.measure_gps(path, config, self.number)
        sigma = gps.announced_sigma_m(config)
        return [
            DriveFrame(
                k, int(path.stamps_ns[k]), path.map_T_base[k], odometry[k], fixes[k], sigma,
                partial(self._load, k),
            )
            for k in range(config.frames)
        ]  # fmt: skip


def _line(town: Town, config: TownConfig, backwards: bool) -> route.Line:
    # Steps vary by a tenth; rounded corners are shorter than the streets' middle lines.
    length = config.frames * config.interval_m * 1.1 + 20.0
    nodes = route.plan_nodes(town.grid, config.route, length)
    return route.lane_line(town.grid, nodes[::-1] if backwards else nodes)
