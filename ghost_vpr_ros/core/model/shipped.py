"""The weights that come with the package, by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

DEFAULT = 'ghost-vpr'
"""Used unless others are named."""

SHIPPED = {
    DEFAULT: 'ghost_vpr.safetensors',
    'ghost-vpr-2048': 'ghost_vpr_2048.safetensors',
    'ghost-dil': 'ghost_dil.safetensors',
}
"""Names that stand for weights of this package -> their files."""


def shipped_path(name: str = DEFAULT) -> Path:
    """The path of weights of this package, whether or not they exist."""
    return Path(str(resources.files('ghost_vpr_ros'))) / 'weights' / SHIPPED[name]


def weights_path(name: Path | str) -> Path:
    """The file that is meant: that of a name in `SHIPPED`, or the one at this path."""
    return shipped_path(str(name)) if str(name) in SHIPPED else Path(name)
