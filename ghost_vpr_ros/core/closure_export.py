"""Loop closures of a drive in common formats, from node and replay alike: g2o, TUM, CSV, JSON.

Conventions, repeated in every file that can hold a comment:

- poses are of the camera's body frame (x forward, y left, z up), metres and unit quaternions xyzw;
- an edge is `keyframe_T_query`: the query's pose in the keyframe's frame;
- covariances are (6, 6) in the order x, y, z (m^2), roll, pitch, yaw (rad^2). In CSV and JSON they
  are about the axes of the keyframe. In g2o the information is about those of the query, which
  g2o, GTSAM and Ceres expect, and of angles, not of halves of them.
"""

from __future__ import annotations

import csv
import io
import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.export import EXPORTS, OdometryNoise
from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Hypothesis, LoopClosure, Pose, State
from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.poses import matrix_of, pose_of, turned_covariance

FILE_NAMES = {
    'g2o': 'closures.g2o',
    'tum': 'answers.tum',
    'csv': 'closures.csv',
    'json': 'closures.json',
}
"""Format -> name of its file."""

CSV_COLUMNS = (
    *('query_stamp_ns', 'keyframe_id', 'session', 'keyframe_stamp_ns', 'probability'),
    *('inliers', 'is_metric', 'x_m', 'y_m', 'z_m', 'qx', 'qy', 'qz', 'qw'),
    *(f'covariance_{row}{column}' for row in range(6) for column in range(row, 6)),
)

_KEPT_STEP_M, _KEPT_TURN_COSINE = 0.1, 0.9998
"""Poses that differ by less (0.1 m, 2 degrees) are not kept: a robot may stand for days."""

_LEAST_STEP_M = 0.1
_UPPER = np.triu_indices(6)


@dataclass(frozen=True)
class Edge:
    """One closure with the probability of its answer, 0 to 1."""

    closure: LoopClosure
    probability: float


class DriveRecord:
    """What a pose graph needs from a drive: odometry, closures, and accepted poses."""

    def __init__(self, max_speed_m_s: float) -> None:
        """Start empty; odometry that is faster than `max_speed_m_s` has jumped."""
        self._max_speed_m_s = max_speed_m_s
        self.stamps_ns: list[int] = []
        self.odometry: list[Pose] = []
        self.edges: list[Edge] = []
        self.answers: list[tuple[int, Pose]] = []

    def add(self, answer: Hypothesis, odometry: Pose | None) -> None:
        """Take in one answer, with the odometry at its image where there is one."""
        if answer.stamp_ns == UNKNOWN_STAMP_NS:
            return
        if odometry is not None and self._says_more(answer, odometry):
            self.stamps_ns.append(answer.stamp_ns)
            self.odometry.append(odometry)
        if answer.state is State.ACCEPTED and answer.pose is not None:
            self.answers.append((answer.stamp_ns, answer.pose))
        if answer.closure is not None:
            self.edges.append(Edge(answer.closure, answer.candidates[0].probability))

    def _says_more(self, answer: Hypothesis, odometry: Pose) -> bool:
        """Stamps ascend: after a jump back in time what comes again is left out."""
        if not self.stamps_ns or answer.closure is not None:
            return not self.stamps_ns or answer.stamp_ns > self.stamps_ns[-1]
        last = self.odometry[-1]
        moved_m = float(np.linalg.norm(odometry.position_m - last.position_m))
        turned = 1.0
        if odometry.quaternion_xyzw is not None and last.quaternion_xyzw is not None:
            turned = abs(float(odometry.quaternion_xyzw @ last.quaternion_xyzw))
        is_new = moved_m >= _KEPT_STEP_M or turned < _KEPT_TURN_COSINE
        return is_new and answer.stamp_ns > self.stamps_ns[-1]

    def parts(self) -> list[range]:
        """Numbers of the poses that belong together: odometry does not jump between them."""
        starts = [0, *(n for n in range(1, len(self.odometry)) if self._jumps(n))]
        ends = [*starts[1:], len(self.odometry)]
        return [range(*both) for both in zip(starts, ends, strict=True) if both[1] > both[0]]

    def _jumps(self, number: int) -> bool:
        step = self.odometry[number].position_m - self.odometry[number - 1].position_m
        seconds = (self.stamps_ns[number] - self.stamps_ns[number - 1]) / 1e9
        return float(np.linalg.norm(step)) > self._max_speed_m_s * seconds

    def number_at(self, stamp_ns: int) -> int:
        """Number of the last pose at or before a stamp; -1 where there is none."""
        return bisect_right(self.stamps_ns, stamp_ns) - 1


def export_texts(
    record: DriveRecord,
    formats: Sequence[str],
    own_session: str = '',
    noise: OdometryNoise | None = None,
) -> dict[str, str]:
    """The files' contents by format.

    Args:
        record: of the drive.
        formats: names of `EXPORTS`.
        own_session: of the map that this drive filled; empty where it filled none.
        noise: of odometry, for g2o; its defaults where not given.

    Raises:
        OutputError: g2o is requested, and the drive has no odometry.
    """
    makers = {
        'g2o': lambda: g2o_text(record, own_session, noise or OdometryNoise()),
        'tum': lambda: tum_text(record),
        'csv': lambda: csv_text(record),
        'json': lambda: json_text(record),
    }
    assert tuple(makers) == EXPORTS
    return {name: makers[name]() for name in formats}


def tum_text(record: DriveRecord) -> str:
    """`seconds x y z qx qy qz qw` of every accepted answer, in the map's frame.

    An unknown heading is written as none (0 0 0 1): compare positions only.
    """
    lines = ['# accepted answers in the frame of the map: seconds x y z qx qy qz qw']
    for stamp_ns, pose in record.answers:
        seconds = f'{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}'
        lines.append(f'{seconds} {_numbers(_position_and_quaternion(pose))}')
    return '\n'.join(lines) + '\n'


def csv_text(record: DriveRecord) -> str:
    """One row for each closure in the order of `CSV_COLUMNS`."""
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(CSV_COLUMNS)
    for edge in record.edges:
        closure, key = edge.closure, edge.closure.keyframe
        known = (closure.stamp_ns, key.keyframe_id, key.session, key.stamp_ns)
        numbers = [
            *_position_and_quaternion(closure.keyframe_T_query),
            *_covariance(closure)[_UPPER],
        ]
        told = (f'{edge.probability:.6f}', closure.inliers, int(closure.is_metric))
        writer.writerow([*known, *told, *(f'{number:.9g}' for number in numbers)])
    return text.getvalue()


def json_text(record: DriveRecord) -> str:
    """Closures with covariance and information, and what the numbers mean."""
    conventions = {
        'edge': 'keyframe_T_query: pose of the query camera body in the keyframe camera body',
        'covariance': 'x, y, z (m^2), roll, pitch, yaw (rad^2), about the axes of the keyframe',
        'inliers': 'matching local features; -1: known from positions of the map alone',
        'is_metric': 'false: the distance is unknown, and the covariance is that large',
    }
    closures = [_json_edge(edge) for edge in record.edges]
    return json.dumps({'conventions': conventions, 'closures': closures}, indent=1) + '\n'


def _json_edge(edge: Edge) -> dict[str, Any]:
    closure, covariance = edge.closure, _covariance(edge.closure)
    pose = _position_and_quaternion(closure.keyframe_T_query)
    return {
        'query_stamp_ns': closure.stamp_ns,
        'keyframe_id': closure.keyframe.keyframe_id,
        'session': closure.keyframe.session,
        'keyframe_stamp_ns': closure.keyframe.stamp_ns,
        'probability': edge.probability,
        'inliers': closure.inliers,
        'is_metric': closure.is_metric,
        'position_m': pose[:3],
        'quaternion_xyzw': pose[3:],
        'covariance': covariance.tolist(),
        'information': np.linalg.inv(covariance).tolist(),
    }


def g2o_text(record: DriveRecord, own_session: str, noise: OdometryNoise) -> str:
    """Odometry and closures as `VERTEX_SE3:QUAT` and `EDGE_SE3:QUAT`.

    The first vertices are the images with odometry, in their order. Keyframes of other sessions
    follow and are fixed at their positions in the map. Of images that nothing joins to one of
    them, as after a jump of odometry, the first is fixed.

    Raises:
        OutputError: there is no odometry.
    """
    if not record.odometry:
        raise OutputError(
            'export g2o: expected odometry to join the images by, found none; use a drive with '
            'odometry (--odometry-topic), or export csv or json, which need none'
        )
    graph = _Graph(record, own_session)
    return (
        '\n'.join([*graph.vertices(), *graph.odometry_edges(noise), *graph.closure_edges()]) + '\n'
    )


class _Graph:
    """Vertices and edges of a record as lines of g2o."""

    def __init__(self, record: DriveRecord, own_session: str) -> None:
        self._record = record
        self._count = len(record.odometry)
        self._poses = np.array([matrix_of(pose) for pose in record.odometry])
        self._own_session = own_session
        self._edges = [each for each in record.edges if self._has_ends(each.closure)]
        self._keyframes = {
            self._count + each.closure.keyframe.keyframe_id: each.closure.keyframe
            for each in self._edges
            if not self._is_own(each.closure)
        }
        for part in record.parts():
            self._lay_onto_map(part)

    def _is_own(self, closure: LoopClosure) -> bool:
        return closure.keyframe.session == self._own_session

    def _has_ends(self, closure: LoopClosure) -> bool:
        """Whether odometry is known at the query, and the keyframe's place in the graph."""
        number = self._record.number_at(closure.stamp_ns)
        if number < 0 or self._record.stamps_ns[number] != closure.stamp_ns:
            return False
        if self._is_own(closure):
            return self._record.number_at(closure.keyframe.stamp_ns) >= 0
        return closure.keyframe.pose is not None and closure.keyframe.pose.has_position

    def _lay_onto_map(self, part: range) -> None:
        """Move the start of joined images to the position given by their first closure."""
        for each in self._edges:
            number = self._record.number_at(each.closure.stamp_ns)
            pose = each.closure.keyframe.pose
            if number in part and pose is not None and not self._is_own(each.closure):
                seen = matrix_of(pose) @ matrix_of(each.closure.keyframe_T_query)
                map_T_odom = seen @ np.linalg.inv(self._poses[number])
                self._poses[part.start : part.stop] = (
                    map_T_odom @ self._poses[part.start : part.stop]
                )
                return

    def vertices(self) -> list[str]:
        poses = {**dict(enumerate(self._poses)), **self._keyframe_poses()}
        lines = [f'VERTEX_SE3:QUAT {key} {_of_matrix(pose)}' for key, pose in poses.items()]
        return [*lines, *(f'FIX {key}' for key in [*self._keyframes, *self._loose_starts()])]

    def _loose_starts(self) -> list[int]:
        """The first image of each group that edges do not join to a keyframe of the map."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        keys = {key: self._count + n for n, key in enumerate(self._keyframes)}
        links = [[keys.get(key, key) for key in ends] for ends in self._links()]
        size = self._count + len(keys)
        matrix = coo_matrix((np.ones(len(links[0])), tuple(links)), (size, size))
        groups = connected_components(matrix, directed=False)[1].tolist()
        held, starts = set(groups[self._count :]), []
        for number, group in enumerate(groups[: self._count]):
            if group not in held:
                starts.append(number)
                held.add(group)
        return starts

    def _links(self) -> tuple[list[int], list[int]]:
        """Both ends of every edge."""
        pairs = [(n, n + 1) for part in self._record.parts() for n in part[:-1]]
        pairs += [self._ends(each.closure) for each in self._edges]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def _ends(self, closure: LoopClosure) -> tuple[int, int]:
        """The vertices of the keyframe and of the query."""
        key = self._count + closure.keyframe.keyframe_id
        if self._is_own(closure):
            key = self._record.number_at(closure.keyframe.stamp_ns)
        return key, self._record.number_at(closure.stamp_ns)

    def _keyframe_poses(self) -> dict[int, NDArray[np.float64]]:
        return {key: matrix_of(k.pose) for key, k in self._keyframes.items() if k.pose is not None}

    def odometry_edges(self, noise: OdometryNoise) -> list[str]:
        lines = []
        for part in self._record.parts():
            for before in part[:-1]:
                step = np.linalg.inv(self._poses[before]) @ self._poses[before + 1]
                information = np.diag(1.0 / _odometry_variances(step, noise))
                lines.append(_edge_line(before, before + 1, step, information))
        return lines

    def closure_edges(self) -> list[str]:
        return [self._closure_line(each.closure) for each in self._edges]

    def _closure_line(self, closure: LoopClosure) -> str:
        key, query = self._ends(closure)
        step = matrix_of(closure.keyframe_T_query)
        covariance = turned_covariance(_covariance(closure), step[:3, :3].T)
        information = np.asarray(np.linalg.inv(covariance), np.float64)
        return _edge_line(key, query, step, information)


def _odometry_variances(step: NDArray[np.float64], noise: OdometryNoise) -> NDArray[np.float64]:
    """(6,) of a (4, 4) step, in the order position, rotation; they grow with its length."""
    length_m = max(float(np.linalg.norm(step[:3, 3])), _LEAST_STEP_M)
    tilt, yaw = np.radians(noise.odometry_tilt_deg), np.radians(noise.odometry_yaw_deg)
    sigmas = np.array([*[noise.odometry_sigma_m] * 3, tilt, tilt, yaw])
    return np.asarray(length_m * sigmas**2)


def _edge_line(
    start: int, end: int, step: NDArray[np.float64], information: NDArray[np.float64]
) -> str:
    upper = (0.5 * (information + information.T))[_UPPER]
    return f'EDGE_SE3:QUAT {start} {end} {_of_matrix(step)} {_numbers(upper)}'


def _of_matrix(matrix: NDArray[np.float64]) -> str:
    return _numbers(_position_and_quaternion(pose_of(matrix)))


def _covariance(closure: LoopClosure) -> NDArray[np.float64]:
    assert closure.keyframe_T_query.covariance is not None
    return closure.keyframe_T_query.covariance


def _position_and_quaternion(pose: Pose) -> list[float]:
    turn = (0.0, 0.0, 0.0, 1.0) if pose.quaternion_xyzw is None else pose.quaternion_xyzw
    return [float(value) for value in (*pose.position_m, *turn)]


def _numbers(values: Sequence[float] | NDArray[np.float64]) -> str:
    return ' '.join(f'{float(value):.9g}' for value in values)
