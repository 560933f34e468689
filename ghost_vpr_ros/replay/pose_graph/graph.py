"""Odometry and closures of a drive in a pose graph, optimised with GTSAM (an optional package).

Poses have six degrees of freedom, since not every user's ground is flat. The nodes are the images
with odometry and the matched keyframes of other drives, fixed at their positions in the map. The
factors: odometry between images, closures by their relative pose or at identity. Robust means
Cauchy's kernel on closures; it is tried from two starts, the odometry and the plain solution, and
the cheaper result counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.poses import matrix_of, rotation_about_z, turned_covariance
from ghost_vpr_ros.replay.config import PoseGraphConfig
from ghost_vpr_ros.replay.pose_graph.closures import Closure

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.pose_graph.odometry_track import OdometryTrack

_FIXED_SIGMA = 1e-3

_FREE_SIGMA_M = 1e4

_FREE_SIGMA_RAD = np.pi

_LEAST_STEP_M = 0.1

_GTSAM = [3, 4, 5, 0, 1, 2]
"""Order of a pose's covariance in GTSAM."""

MOST_POINTS = 60
"""More closures are thinned out evenly: every pair of them is tried."""

LEAST_BASELINE_M = 5.0

TOLERANCE_M = 15.0


class PoseGraph:
    """The graph of one drive.

    Args:
        odometry: of the drive; unreliable links are left out.
        closures: their queries, and the earlier images they name, must have odometry.
        config: of the noise.
    """

    def __init__(
        self, odometry: OdometryTrack, closures: Sequence[Closure], config: PoseGraphConfig
    ) -> None:
        import gtsam

        self._gtsam: Any = gtsam
        self._odometry, self._closures, self._config = odometry, closures, config
        self._start = odometry.odom_T_body.copy()
        self._parts = _parts(odometry)
        for part in self._parts:
            self._lay_onto_map(part)

    def optimise(self, *, robust: bool) -> NDArray[np.float64]:
        """(N, 4, 4) poses of the images; NaN where there is no odometry.

        They are in the map's frame where a closure leads to a keyframe of another drive, and in
        the odometry's frame else. Without any closure they are the odometry itself.
        """
        plain = self._solve(self._graph(robust=False), self._values(self._start))
        if not robust:
            return self._poses(plain)
        graph = self._graph(robust=True)
        starts = (self._values(self._start), plain)
        return self._poses(min((self._solve(graph, start) for start in starts), key=graph.error))

    def _lay_onto_map(self, part: NDArray[np.int64]) -> None:
        """Move the start of connected images to their positions in the map by their closures."""
        members = set(part.tolist())
        found = [c for c in self._closures if c.earlier is None and c.query in members]
        if found:
            queries = [closure.query for closure in found]
            places = np.array([closure.place.position_m for closure in found])
            transform = map_T_odometry(self._start[queries, :3, 3], places)
            self._start[part] = transform @ self._start[part]

    def _graph(self, *, robust: bool) -> Any:
        graph = self._gtsam.NonlinearFactorGraph()
        is_mapped = any(closure.earlier is None for closure in self._closures)
        for number, part in enumerate(self._parts):
            first = int(part[0])
            fixed = number == 0 and not is_mapped
            sigma_rad = _FIXED_SIGMA if fixed else _FREE_SIGMA_RAD
            sigma_m = _FIXED_SIGMA if fixed else _FREE_SIGMA_M
            self._add_prior(graph, first, self._start[first], sigma_rad, sigma_m)
        for before, after, fault in self._odometry.links():
            if not fault:
                self._add_link(graph, before, after)
        self._add_keyframes(graph)
        for closure in self._closures:
            self._add_closure(graph, closure, robust)
        return graph

    def _add_prior(
        self, graph: Any, key: int, pose: NDArray[np.float64], sigma_rad: float, sigma_m: float
    ) -> None:
        noise = self._noise([sigma_rad] * 3 + [sigma_m] * 3)
        graph.add(self._gtsam.PriorFactorPose3(key, self._gtsam.Pose3(pose), noise))

    def _add_link(self, graph: Any, before: int, after: int) -> None:
        poses, config = self._odometry.odom_T_body, self._config
        step = np.linalg.inv(poses[before]) @ poses[after]
        root = np.sqrt(max(float(np.linalg.norm(step[:3, 3])), _LEAST_STEP_M))
        tilt, yaw = np.radians(config.odometry_tilt_deg), np.radians(config.odometry_yaw_deg)
        sigmas = root * np.array([tilt, tilt, yaw, *[config.odometry_sigma_m] * 3])
        between = self._gtsam.BetweenFactorPose3
        graph.add(between(before, after, self._gtsam.Pose3(step), self._noise(sigmas)))

    def _add_keyframes(self, graph: Any) -> None:
        """Matched keyframes of other drives are fixed; an unknown heading of theirs is free."""
        for closure in self._keyframes().values():
            turn = _FREE_SIGMA_RAD if closure.place.quaternion_xyzw is None else _FIXED_SIGMA
            pose = matrix_of(closure.place)
            self._add_prior(graph, self._key(closure), pose, turn, _FIXED_SIGMA)

    def _add_closure(self, graph: Any, closure: Closure, robust: bool) -> None:
        kinds, noise = self._gtsam.noiseModel, self._closure_noise(closure)
        if robust:
            kernel = kinds.mEstimator.Cauchy.Create(self._config.kernel_width)
            noise = kinds.Robust.Create(kernel, noise)
        relative = closure.relative
        pose = self._gtsam.Pose3(np.eye(4) if relative is None else matrix_of(relative))
        between = self._gtsam.BetweenFactorPose3
        graph.add(between(self._key(closure), closure.query, pose, noise))

    def _closure_noise(self, closure: Closure) -> Any:
        if closure.relative is None:
            heading = np.radians(self._config.closure_heading_deg)
            position = [closure.sigma_m, closure.sigma_m, closure.height_sigma_m]
            return self._noise([heading] * 3 + position)
        assert closure.relative.covariance is not None
        # Ours is about the axes of the keyframe, in the order position, rotation; GTSAM's about
        # those of the query, rotation first.
        query_R_keyframe = matrix_of(closure.relative)[:3, :3].T
        turned = turned_covariance(closure.relative.covariance, query_R_keyframe)
        covariance = turned[np.ix_(_GTSAM, _GTSAM)] + np.diag(self._least_variances)
        return self._gtsam.noiseModel.Gaussian.Covariance(covariance)

    @property
    def _least_variances(self) -> NDArray[np.float64]:
        """(6,) in GTSAM's order: lower limits of the deviations of a relative pose."""
        angle = np.radians(self._config.verified_angle_deg)
        return np.array([angle**2] * 3 + [self._config.verified_sigma_m**2] * 3)

    def _key(self, closure: Closure) -> int:
        """Key of the node that a query matched: an earlier image, or a key after all images."""
        images = len(self._start)
        return (
            images + closure.keyframe.keyframe_id if closure.earlier is None else closure.earlier
        )

    def _keyframes(self) -> dict[int, Closure]:
        """One closure for each keyframe of another drive, by its key."""
        return {self._key(c): c for c in self._closures if c.earlier is None}

    def _noise(self, sigmas: Any) -> Any:
        """Noise in GTSAM's order: roll, pitch, yaw (rad), x, y, z (m)."""
        return self._gtsam.noiseModel.Diagonal.Sigmas(np.asarray(sigmas, np.float64))

    def _values(self, poses: NDArray[np.float64]) -> Any:
        values = self._gtsam.Values()
        for number in self._odometry.known.tolist():
            values.insert(number, self._gtsam.Pose3(poses[number]))
        for key, closure in self._keyframes().items():
            values.insert(key, self._gtsam.Pose3(matrix_of(closure.place)))
        return values

    def _solve(self, graph: Any, start: Any) -> Any:
        parameters = self._gtsam.LevenbergMarquardtParams()
        return self._gtsam.LevenbergMarquardtOptimizer(graph, start, parameters).optimize()

    def _poses(self, values: Any) -> NDArray[np.float64]:
        poses = np.full_like(self._start, np.nan)
        for number in self._odometry.known.tolist():
            poses[number] = values.atPose3(number).matrix()
        return poses


def _parts(odometry: OdometryTrack) -> list[NDArray[np.int64]]:
    """Numbers of the images connected by reliable links, a group each, in order."""
    cuts = [rank for rank, link in enumerate(odometry.links(), start=1) if link[2]]
    return [part for part in np.split(odometry.known, cuts) if len(part)]


def map_T_odometry(
    odometry: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(4, 4) level transform on which most pairs of points agree within `TOLERANCE_M`.

    Each two closures give a yaw and an offset; the one that brings most odometry positions to
    their place wins. Where all lie closer together than `LEAST_BASELINE_M` the yaw stays 0.

    Args:
        odometry: (n, 3) positions in the odometry frame, n >= 1.
        places: (n, 3) where the map has them.
    """
    chosen = np.unique(np.linspace(0, len(odometry) - 1, MOST_POINTS).astype(np.int64))
    start, end = odometry[chosen], places[chosen]
    best, most = _moved(0.0, start[0], end[0]), -1
    for i, j in itertools.combinations(range(len(chosen)), 2):
        step, place_step = (start[j] - start[i])[:2], (end[j] - end[i])[:2]
        lengths = np.linalg.norm(step), np.linalg.norm(place_step)
        if min(lengths) < LEAST_BASELINE_M or abs(lengths[0] - lengths[1]) > TOLERANCE_M:
            continue
        yaw = np.arctan2(place_step[1], place_step[0]) - np.arctan2(step[1], step[0])
        transform = _moved(float(yaw), start[i], end[i])
        moved = start @ transform[:3, :3].T + transform[:3, 3]
        agreeing = int((np.linalg.norm((moved - end)[:, :2], axis=1) <= TOLERANCE_M).sum())
        if agreeing > most:
            best, most = transform, agreeing
    return best


def _moved(
    yaw_rad: float, start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The level transform with this yaw that brings one point (3,) to another."""
    transform = rotation_about_z(yaw_rad)
    transform[:3, 3] = end - transform[:3, :3] @ start
    return transform
