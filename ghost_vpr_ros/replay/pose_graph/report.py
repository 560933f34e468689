"""The files of the pose graph: pose_graph.json, poses.csv and a picture for each odometry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.poses import rotation_to_quaternion
from ghost_vpr_ros.replay.evaluation.plots import DrawnClosure, png_of, trajectories_plot
from ghost_vpr_ros.replay.output_files import write_csv, write_file, write_json
from ghost_vpr_ros.replay.pose_graph.run import GraphRun, aligned

POSE_COLUMNS = (
    'run',
    'trajectory',
    'image',
    'stamp_ns',
    'x_m',
    'y_m',
    'z_m',
    'qx',
    'qy',
    'qz',
    'qw',
)
UNITS = {
    'ate_m': 'm, root mean square of positions after alignment by rotation and translation',
    'ate_ratio': 'ATE with closures over ATE of the odometry alone',
    'false_per_km': 'closures whose true distance exceeds false_beyond_m, per km driven',
}


def write_pose_graph(
    runs: Sequence[GraphRun],
    frames: Sequence[Frame],
    false_beyond_m: float,
    described: Mapping[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Write the files of all runs and return what `pose_graph.json` holds.

    Args:
        runs: of one drive.
        frames: its images.
        false_beyond_m: a closure whose true distance is larger is false.
        described: further entries of `pose_graph.json`.
        folder: existing folder; files of an earlier replay are replaced.

    Raises:
        OutputError: a file cannot be written.
    """
    figures = [run.figures(frames, false_beyond_m) for run in runs]
    result = {'runs': figures, 'false_beyond_m': false_beyond_m, **described, 'units': UNITS}
    write_json(folder / 'pose_graph.json', result)
    rows = [row for run in runs for row in _pose_rows(run, frames)]
    write_csv(folder / 'poses.csv', POSE_COLUMNS, rows)
    for run, figure in zip(runs, figures, strict=True):
        picture = _picture(run, figure, false_beyond_m)
        write_file(folder / f'trajectories_{run.name}.png', picture)
    return result


def _pose_rows(run: GraphRun, frames: Sequence[Frame]) -> Iterator[list[Any]]:
    for name, poses in run.trajectories.items():
        for frame, pose in zip(frames, poses, strict=True):
            if np.isfinite(pose).all():
                numbers = [*pose[:3, 3], *rotation_to_quaternion(pose[:3, :3])]
                shown = [f'{value:.6f}' for value in numbers]
                yield [run.name, name, frame.name, frame.stamp_ns, *shown]


def _picture(run: GraphRun, figures: Mapping[str, Any], false_beyond_m: float) -> bytes:
    lines = {'truth': run.truth[:, :2]}
    for name, poses in run.trajectories.items():
        ate_m = figures['ate_m'][name]
        label = f'{name.replace("_", ", ")}: ATE {ate_m:.2f} m' if np.isfinite(ate_m) else name
        lines[label] = aligned(poses[:, :3, 3], run.truth)[:, :2]
    drawn = [_drawn(run, number, false_beyond_m, lines) for number in range(len(run.used))]
    title = f'odometry: {run.odometry.source}\nclosures from {run.closures_from}'
    return png_of(trajectories_plot(lines, drawn, title))


def _drawn(
    run: GraphRun, number: int, false_beyond_m: float, lines: Mapping[str, NDArray[np.float64]]
) -> DrawnClosure:
    """A closure between true positions, or where there is no truth, between the optimised ones."""
    closure = run.used[number]
    is_known = np.isfinite(run.truth[closure.query]).all()
    positions = run.truth[:, :2] if is_known else list(lines.values())[-1]
    earlier = closure.earlier
    place = closure.place.position_m[:2] if earlier is None else positions[earlier]
    is_false = run.error_m(closure) > false_beyond_m
    return DrawnClosure(np.stack([positions[closure.query], place]), is_false)
