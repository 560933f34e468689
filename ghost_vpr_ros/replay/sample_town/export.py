"""Writes the town's drives: images with manifests, trajectories, calibration, and bags.

Two tables lie beside the images of each drive, both of them manifests. `manifest.csv` holds what
sensors measured: WGS84 positions from a noisy receiver, empty in its gaps. `truth.csv` holds exact
positions x, y, z and yaw in the map frame, and no WGS84, so that they cannot be confused.

A drive gets its name when it is complete; an interrupted run is taken up where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ghost_vpr_ros.core.datatypes import Pose, Progress
from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.core.image import encode_jpeg, read_image
from ghost_vpr_ros.core.poses import pose_of
from ghost_vpr_ros.replay.bags.writer import BagFrame, write_bag
from ghost_vpr_ros.replay.config import BagConfig
from ghost_vpr_ros.replay.output_files import (
    make_output_folder,
    read_object,
    write_file,
    write_json,
)
from ghost_vpr_ros.replay.sample_town import tables
from ghost_vpr_ros.replay.sample_town.config import TOWN_VERSION, TownConfig
from ghost_vpr_ros.replay.sample_town.drive import Drive, SampleTown

STORAGES = ('mcap', 'sqlite3')
SUMMARY_NAME = 'town.json'
DRIVE_NAME = 'drive.json'


def make_town(
    out_dir: str | Path,
    config: TownConfig | None = None,
    *,
    storage: Sequence[str] = STORAGES,
    progress: Progress | None = None,
    **settings: Any,
) -> Path:
    """Write all drives to `out_dir/drive_0`, `drive_1`, ...; the folder.

    Args:
        out_dir: a new folder, or one of an earlier run with the same settings.
        config: all settings; or give single ones by name, as in `make_town(out, seed=3)`.
        storage: formats of the bags (`bag_mcap`, `bag_sqlite3`) of each drive; may be empty.
        progress: called with 1 after each image, with their number for a drive that exists.
        settings: fields of `TownConfig`, over those of `config`.

    Raises:
        ConfigError: unknown or bad settings, or an unknown storage.
        OutputError: the folder holds a town of other settings, or cannot be written.
    """
    config = TownConfig.from_dict({**(config or TownConfig()).to_dict(), **settings})
    bags = [BagConfig(storage=name, jpeg_quality=config.jpeg_quality) for name in storage]
    out = make_output_folder(Path(out_dir))
    check_reusable(out, config)
    _make_drives(out, config, bags, progress or (lambda count: None))
    tables.write_joint_tables(out, config.drives)
    summary = {**fingerprint(config), 'drives': config.drives, 'bags': list(storage)}
    write_json(out / SUMMARY_NAME, {**summary, 'complete': True})
    return out


def _make_drives(
    out: Path, config: TownConfig, bags: Sequence[BagConfig], progress: Progress
) -> None:
    sample = SampleTown(config)
    for number in range(config.drives):
        folder = out / f'drive_{number}'
        if folder.exists():
            progress(config.frames)
        else:
            _make_drive(folder, sample, number, progress)
        _write_bags(folder, sample, number, bags)


def is_complete(out_dir: str | Path, config: TownConfig) -> bool:
    """Whether an earlier run has finished this town with these settings."""
    found = read_object(Path(out_dir) / SUMMARY_NAME)
    wanted = {**fingerprint(config), 'drives': config.drives, 'complete': True}
    return all(found.get(key) == value for key, value in wanted.items())


def fingerprint(config: TownConfig) -> dict[str, Any]:
    """What determines a drive's bytes; further drives do not change those that exist."""
    settings = {key: value for key, value in config.to_dict().items() if key != 'drives'}
    return {'version': TOWN_VERSION, 'settings': settings}


def check_reusable(out: Path, config: TownConfig) -> None:
    """Accept a folder whose finished drives have the same settings.

    Raises:
        OutputError: a drive of other settings, named with what differs.
    """
    wanted = fingerprint(config)
    for folder in sorted(out.glob('drive_*')):
        found = read_object(folder / DRIVE_NAME)
        if found != wanted:
            raise OutputError(
                f'{folder}: expected a drive of the requested settings, found one that differs in '
                f'{_differences(found, wanted)}; give another folder, or remove this one'
            )


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    before, now = found.get('settings', {}), wanted['settings']
    names = [
        f'{key} ({before.get(key)} for {now[key]})' for key in now if before.get(key) != now[key]
    ]
    return ', '.join(names) or 'its version'


def _make_drive(folder: Path, sample: SampleTown, number: int, progress: Progress) -> None:
    """Render into a hidden folder that is renamed when it is complete."""
    unfinished = folder.with_name(f'.{folder.name}.unfinished')
    mark = fingerprint(sample.config)
    if unfinished.is_symlink():
        raise OutputError(
            f'{unfinished}: expected a folder of an earlier, interrupted run, found a link; '
            'remove it'
        )
    if unfinished.exists() and read_object(unfinished / DRIVE_NAME) != mark:
        shutil.rmtree(unfinished)
    make_output_folder(unfinished / 'images')
    write_json(unfinished / DRIVE_NAME, mark)
    drive = sample.drive(number)
    write_json(unfinished / 'camera.json', _describe_camera(sample))
    tables.write_tables(unfinished, drive)
    for frame in drive.frames:
        image = unfinished / tables.image_name(frame.index)
        if not image.exists():
            write_file(image, encode_jpeg(frame.load(), sample.config.jpeg_quality))
        progress(1)
    drive.release()
    try:
        unfinished.rename(folder)
    except OSError as error:
        raise OutputError(
            f'{folder}: the finished drive cannot be named so ({error.strerror}); it lies in '
            f'{unfinished}, run again when the name is free'
        ) from error


def _describe_camera(sample: SampleTown) -> dict[str, Any]:
    camera = sample.camera
    return {
        'width_px': camera.width,
        'height_px': camera.height,
        'fx': camera.fx,
        'fy': camera.fy,
        'cx': camera.cx,
        'cy': camera.cy,
        'mount_height_m': camera.mount_height_m,
        'model': 'pinhole, no distortion; pixel centres at whole numbers',
        'base_T_camera_optical': camera.base_T_optical().tolist(),
    }


def _write_bags(folder: Path, sample: SampleTown, number: int, bags: Sequence[BagConfig]) -> None:
    """The drive's bags, with the pixels of its JPEG images; those that exist are kept."""
    missing = [bag for bag in bags if not (folder / f'bag_{bag.storage}').exists()]
    if not missing:
        return
    drive, camera = sample.drive(number), sample.camera
    mount = Pose(np.array([0.0, 0.0, camera.mount_height_m]), np.array([0.0, 0.0, 0.0, 1.0]))
    info = {
        'content': 'rendered sample town of ghost_vpr_ros; place, time and sensors are made up',
        'seed': str(sample.config.seed), 'drive': str(number), 'light': drive.light.name,
    }  # fmt: skip
    for bag in missing:
        path = folder / f'bag_{bag.storage}'
        frames = _bag_frames(folder, drive)
        write_bag(path, frames, bag, camera=camera, base_T_camera=mount, info=info)


def _bag_frames(folder: Path, drive: Drive) -> Iterator[BagFrame]:
    for frame in drive.frames:
        yield BagFrame(
            frame.stamp_ns,
            partial(read_image, folder / tables.image_name(frame.index)),
            geo=frame.fix,
            geo_sigma_m=frame.fix_sigma_m,
            truth=pose_of(frame.map_T_base),
            odometry=frame.odometry,
        )
