"""One drive through the pose graph: odometry and closures in, trajectories and figures out.

The absolute trajectory error is that of evo's `evo_ape --align` for the translation part: the
root mean square of the distances after the rotation and translation that fit best (Umeyama 1991,
eq. 40 to 42 without scale).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame, GeoPoint
from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.core.geodesy import LocalFrame, horizontal_distance_m
from ghost_vpr_ros.core.poses import matrix_of, travelled_m
from ghost_vpr_ros.replay.config import DriftConfig, PoseGraphConfig
from ghost_vpr_ros.replay.evaluation.replayer import Answer
from ghost_vpr_ros.replay.pose_graph.closures import Closure, closures_of
from ghost_vpr_ros.replay.pose_graph.drift import drifting_odometry
from ghost_vpr_ros.replay.pose_graph.graph import PoseGraph
from ghost_vpr_ros.replay.pose_graph.odometry_track import OdometryTrack

OWN_PAST, PRIOR_MAP = "the drive's own past", 'other drives in the map'


@dataclass(frozen=True)
class GraphRun:
    """One odometry with the closures of the drive.

    Attributes:
        name: short, for file names.
        odometry: at the images.
        accepted: closures of all accepted answers that add information.
        used: those of them in the graph: their images have odometry.
        closures_from: `OWN_PAST`, `PRIOR_MAP` or both.
        trajectories: (N, 4, 4) poses by name: odometry, closures, closures_robust.
        truth: (N, 3) metres, NaN where unknown.
    """

    name: str
    odometry: OdometryTrack
    accepted: Sequence[Closure]
    used: Sequence[Closure]
    closures_from: str
    trajectories: dict[str, NDArray[np.float64]]
    truth: NDArray[np.float64]

    def error_m(self, closure: Closure) -> float:
        """True horizontal distance from the query to its keyframe; NaN where unknown."""
        query = self.truth[closure.query]
        if closure.earlier is not None:
            return float(horizontal_distance_m(query, self.truth[closure.earlier]))
        return float(horizontal_distance_m(query, closure.place.position_m))

    def figures(self, frames: Sequence[Frame], false_beyond_m: float) -> dict[str, Any]:
        """The entry of this run in `pose_graph.json`."""
        driven_m = travelled_m(self._driven())[-1]
        ate = {
            name: absolute_trajectory_error_m(poses[:, :3, 3], self.truth)
            for name, poses in self.trajectories.items()
        }
        links = [
            {'from': frames[first].name, 'to': frames[second].name, 'why': fault}
            for first, second, fault in self.odometry.links()
            if fault
        ]
        return {
            'name': self.name,
            'odometry': self.odometry.source,
            'closures_from': self.closures_from,
            'num_images': len(frames),
            'num_images_without_odometry': len(frames) - len(self.odometry.known),
            'driven_km': float(driven_m) / 1e3,
            'odometry_links_left_out': links,
            'closures_accepted': self._counts(self.accepted, false_beyond_m, driven_m),
            'closures_used': self._counts(self.used, false_beyond_m, driven_m),
            'ate_m': ate,
            'ate_ratio': {
                name: ate[name] / ate['odometry'] if ate['odometry'] > 0 else float('nan')
                for name in ('closures', 'closures_robust')
            },
        }

    def _driven(self) -> NDArray[np.float64]:
        has_truth = np.isfinite(self.truth).all(axis=1).any()
        return self.truth if has_truth else self.trajectories['odometry'][:, :3, 3]

    def _counts(
        self, closures: Sequence[Closure], false_beyond_m: float, driven_m: float
    ) -> dict[str, Any]:
        """How many, and how many of those with known truth are false."""
        errors = np.array([self.error_m(closure) for closure in closures])
        false = int((errors > false_beyond_m).sum())
        is_judged = bool(np.isfinite(errors).any()) or not closures
        per_km = 1e3 * false / driven_m if is_judged and driven_m > 0 else float('nan')
        unjudged = int(np.isnan(errors).sum())
        return {'num': len(closures), 'false': false, 'unjudged': unjudged, 'false_per_km': per_km}


def run_pose_graph(
    name: str,
    odometry: OdometryTrack,
    answers: Sequence[Answer],
    truth: NDArray[np.float64],
    own_session: str,
    config: PoseGraphConfig,
) -> GraphRun:
    """Optimise the drive with one odometry, with and without the robust kernel.

    Args:
        name: of the run.
        odometry: at the images.
        answers: to the images.
        truth: (N, 3) metres, NaN where unknown.
        own_session: of the map that the drive itself filled; empty where it did not.
        config: of the graph.

    Raises:
        BagError: fewer than two images have odometry.
    """
    if len(odometry.known) < 2:
        raise BagError(
            'pose graph: expected odometry at two images at least, found it at '
            f'{len(odometry.known)} of {len(answers)}; compare the stamps of both topics, or '
            'raise --max-gap-s'
        )
    accepted = closures_of([answer.hypothesis for answer in answers], own_session)
    known = {None, *odometry.known.tolist()}
    used = [c for c in accepted if {c.query, c.earlier} <= known]
    graph = PoseGraph(odometry, used, config)
    trajectories = {
        'odometry': odometry.odom_T_body,
        'closures': graph.optimise(robust=False),
        'closures_robust': graph.optimise(robust=True),
    }
    return GraphRun(name, odometry, accepted, used, _sources(accepted), trajectories, truth)


def _sources(closures: Sequence[Closure]) -> str:
    """Where the matched keyframes come from, in words."""
    is_own = {closure.earlier is not None for closure in closures}
    found = [name for name, own in ((OWN_PAST, True), (PRIOR_MAP, False)) if own in is_own]
    return ' and '.join(found) or 'nowhere'


def true_positions(frames: Sequence[Frame], origin: GeoPoint | None) -> NDArray[np.float64]:
    """(N, 3) metres; in WGS84 about an origin, or the first frame; NaN where unknown."""
    geos = [frame.geo for frame in frames if frame.geo is not None]
    origin = origin or (geos[0] if geos else None)
    local = None if origin is None else LocalFrame(origin)
    rows = []
    for frame in frames:
        if frame.geo is not None and local is not None:
            rows.append(local.point_to_enu(frame.geo))
        else:
            rows.append(np.full(3, np.nan) if frame.pose is None else frame.pose.position_m)
    return np.array(rows, np.float64).reshape(-1, 3)


def odometry_of_truth(frames: Sequence[Frame], config: DriftConfig, seed: int) -> OdometryTrack:
    """Odometry made from the true poses of the frames with drift.

    Raises:
        BagError: the truth has no poses with a heading.
    """
    poses = {
        number: matrix_of(frame.pose)
        for number, frame in enumerate(frames)
        if frame.pose is not None and frame.pose.quaternion_xyzw is not None
    }
    if not poses:
        raise BagError(
            'drift: expected true poses with a heading, found none; name a topic of poses with '
            '--position-topic, or leave --drift-seed out'
        )
    matrices = np.full((len(frames), 4, 4), np.nan)
    matrices[list(poses)] = drifting_odometry(np.array(list(poses.values())), config, seed)
    stamps = np.array([frame.stamp_ns for frame in frames], np.int64)
    source = f'made from the true poses with drift, seed {seed}; no odometry of the bag'
    return OdometryTrack(stamps, matrices, (), source)


def best_alignment(
    estimate: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and translation (3,) that bring the estimate (N, 3) nearest to the truth."""
    centre, true_centre = estimate.mean(axis=0), truth.mean(axis=0)
    u, _, vt = np.linalg.svd((truth - true_centre).T @ (estimate - centre))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ mirror @ vt
    return rotation, true_centre - rotation @ centre


def aligned(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) the estimate (N, 3) aligned with the truth (N, 3); rows with NaN are ignored."""
    known = _known(estimate, truth)
    if not known.any():
        return estimate
    rotation, translation = best_alignment(estimate[known], truth[known])
    return np.asarray(estimate @ rotation.T + translation)


def absolute_trajectory_error_m(
    estimate: NDArray[np.float64], truth: NDArray[np.float64]
) -> float:
    """Root mean square distance (metres) of (N, 3) positions after alignment.

    Rows in which either is NaN are left out; NaN where none is left.
    """
    known = _known(estimate, truth)
    if not known.any():
        return float('nan')
    offsets = (aligned(estimate, truth) - truth)[known]
    return float(np.sqrt((offsets**2).sum(axis=1).mean()))


def _known(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(estimate).all(axis=1) & np.isfinite(truth).all(axis=1))
