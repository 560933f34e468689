"""The splits of a data set: train, val and test."""

from __future__ import annotations

from pathlib import Path

from ghost_vpr_ros.replay.sources.image_sources import MANIFEST_NAME
from ghost_vpr_ros.replay.sources.table import read_table
from training.datasets.data_config import DataConfig
from training.datasets.readers.role_folders import SPLITS


def splits_of(config: DataConfig) -> list[str]:
    """Splits of the data set at the configured path; one empty text if it has none.

    A configured split is returned unchanged. Splits of a manifest are the values of its column
    `split`, splits of a folder are its subfolders; other values, such as margins, are ignored.

    Raises:
        ConfigError: no path.
        SourceError: an unreadable manifest.
    """
    if config.split:
        return [config.split]
    path, manifest = config.paths[0], manifest_of(config)
    if manifest is not None:
        return _present([row.text('split') for row in read_table(manifest).rows])
    return _present(_subfolders(path) + _subfolders(path / 'images'))


def manifest_of(config: DataConfig) -> Path | None:
    """The CSV manifest at the configured path, or None if the data set has another format.

    Raises:
        ConfigError: no path.
    """
    path = config.paths[0]
    manifest = path / MANIFEST_NAME if path.is_dir() else path
    return manifest if manifest.is_file() and manifest.suffix.lower() == '.csv' else None


def _present(names: list[str]) -> list[str]:
    return [split for split in SPLITS if split in names] or ['']


def _subfolders(path: Path) -> list[str]:
    return [split for split in SPLITS if (path / split).is_dir()]
