"""The tables beside a drive's images: manifest, truth, and trajectories in TUM's format."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import pose_of
from ghost_vpr_ros.replay.output_files import write_csv, write_file
from ghost_vpr_ros.replay.sample_town.camera import yaw_of
from ghost_vpr_ros.replay.sample_town.drive import Drive, DriveFrame

MANIFEST_COLUMNS = (
    'image', 'stamp_ns', 'latitude', 'longitude', 'altitude', 'heading_deg', 'drive', 'light',
)  # fmt: skip
TRUTH_COLUMNS = ('image', 'stamp_ns', 'x', 'y', 'z', 'yaw_rad', 'drive', 'light')
ODOMETRY_COLUMNS = (
    'stamp_ns', 'x', 'y', 'yaw_rad', 'var_x', 'cov_xy', 'cov_x_yaw', 'var_y', 'cov_y_yaw',
    'var_yaw',
)  # fmt: skip
COMPASS_SIGMA_DEG = 2.0
TABLES = ('manifest.csv', 'truth.csv')


def image_name(index: int) -> str:
    """Path of an image below its drive's folder."""
    return f'images/{index:06d}.jpg'


def write_tables(folder: Path, drive: Drive) -> None:
    """Write `manifest.csv` and `odometry.*` (measured), `truth.csv` and `truth.tum` (exact).

    Raises:
        OutputError: no space, or no permission.
    """
    frames = drive.frames
    headings = drive.compass_deg(COMPASS_SIGMA_DEG)
    manifest = [
        _manifest_row(frame, heading, drive)
        for frame, heading in zip(frames, headings, strict=True)
    ]
    write_csv(folder / 'manifest.csv', MANIFEST_COLUMNS, manifest)
    write_csv(folder / 'truth.csv', TRUTH_COLUMNS, [_truth_row(f, drive) for f in frames])
    write_csv(folder / 'odometry.csv', ODOMETRY_COLUMNS, [_odometry_row(f) for f in frames])
    exact = [pose_of(frame.map_T_base) for frame in frames]
    stamps = [frame.stamp_ns for frame in frames]
    _write_tum(folder / 'truth.tum', stamps, exact)
    _write_tum(folder / 'odometry.tum', stamps, [frame.odometry for frame in frames])


def write_joint_tables(out: Path, drives: int) -> None:
    """One manifest and one truth over all drives: `--where drive=0` chooses one of them.

    Raises:
        OutputError: no space, or no permission.
    """
    for name in TABLES:
        rows: list[list[str]] = []
        for number in range(drives):
            with (out / f'drive_{number}' / name).open(newline='') as file:
                header, *part = csv.reader(file)
            rows += [[f'drive_{number}/{row[0]}', *row[1:]] for row in part]
        write_csv(out / name, header, rows)


def _manifest_row(frame: DriveFrame, heading_deg: float, drive: Drive) -> Sequence[Any]:
    fix = frame.fix
    place: Iterable[str] = ('', '', '')
    if fix is not None:
        degrees = (f'{fix.latitude_deg:.8f}', f'{fix.longitude_deg:.8f}')
        place = (*degrees, f'{fix.altitude_m:.3f}')
    row = (image_name(frame.index), frame.stamp_ns, *place, f'{heading_deg:.2f}')
    return (*row, drive.number, drive.light.name)


def _truth_row(frame: DriveFrame, drive: Drive) -> Sequence[Any]:
    position = (f'{value:.4f}' for value in frame.map_T_base[:3, 3])
    row = (image_name(frame.index), frame.stamp_ns, *position, f'{yaw_of(frame.map_T_base):.6f}')
    return (*row, drive.number, drive.light.name)


def _odometry_row(frame: DriveFrame) -> Sequence[Any]:
    pose = frame.odometry
    x, y = pose.position_m[:2]
    z, w = (0.0, 1.0) if pose.quaternion_xyzw is None else pose.quaternion_xyzw[2:]
    row = [frame.stamp_ns, f'{x:.4f}', f'{y:.4f}', f'{2 * np.arctan2(z, w):.6f}']
    covariance = np.zeros((6, 6)) if pose.covariance is None else pose.covariance
    flat = covariance[np.ix_((0, 1, 5), (0, 1, 5))]
    return row + [f'{flat[i, j]:.6e}' for i in range(3) for j in range(i, 3)]


def _write_tum(path: Path, stamps_ns: Sequence[int], poses: Sequence[Pose]) -> None:
    lines = ['# stamp_s x y z qx qy qz qw']
    for stamp_ns, pose in zip(stamps_ns, poses, strict=True):
        quaternion = (0, 0, 0, 1) if pose.quaternion_xyzw is None else pose.quaternion_xyzw
        numbers = ' '.join(f'{value:.6f}' for value in (*pose.position_m, *quaternion))
        lines.append(f'{stamp_ns // 10**9}.{stamp_ns % 10**9:09d} {numbers}')
    write_file(path, '\n'.join(lines) + '\n')
