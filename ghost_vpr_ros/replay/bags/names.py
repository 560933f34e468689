"""What is a bag, by its name and first bytes: known without the package that reads bags."""

from __future__ import annotations

from pathlib import Path

MAGIC = {
    '.bag': b'#ROSBAG V2.0\n',
    '.mcap': b'\x89MCAP0\r\n',
    '.db3': b'SQLite format 3\0',
}
"""First bytes of each kind of bag file."""

BAG_SUFFIXES = tuple(MAGIC)
"""Names of bag files: ROS 1 `.bag`, ROS 2 `.mcap` and `.db3`."""

METADATA_NAME = 'metadata.yaml'

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
"""First bytes of what zstd compressed."""

_ZSTD_SUFFIXES = ('.zstd', '.zst')


def is_compressed(path: Path) -> bool:
    """Whether a file is named as one that was compressed as a whole by zstd."""
    return path.suffix.lower() in _ZSTD_SUFFIXES


def bag_suffix(path: Path) -> str:
    """The suffix that tells the kind of bag, in lower case; that of a compressed one is inside."""
    return Path(path.stem).suffix.lower() if is_compressed(path) else path.suffix.lower()


def is_bag_name(path: Path) -> bool:
    """Whether a file is named as a bag, or as one that was compressed as a whole."""
    return bag_suffix(path) in MAGIC


def bag_files(folder: Path) -> list[Path]:
    """Bag files that lie directly in a folder, by name."""
    return sorted(item for item in folder.iterdir() if is_bag_name(item) and item.is_file())


def is_bag_metadata(path: Path) -> bool:
    """Whether this is the description of a ROS 2 bag, and not just a file of that name."""
    try:
        return path.is_file() and b'rosbag2_bagfile_information' in path.read_bytes()
    except OSError:
        return False
