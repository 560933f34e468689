"""The weights that come with the package, used unless others are given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.shipped import shipped_path
from ghost_vpr_ros.core.model.weights_file import StoredModel

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.vpr_model import VprModel


def default_weights_path() -> Path:
    """The path of the shipped weights, whether or not they exist."""
    return shipped_path()


def default_weights() -> StoredModel:
    """The shipped weights.

    Raises:
        WeightsError: the file is missing from this installation, or damaged.
    """
    path = default_weights_path()
    if not path.is_file():
        raise WeightsError(
            f'{path}: expected the weights that come with ghost_vpr_ros, found none; this '
            'installation is not complete: install the package again, or name a weights file'
        )
    return StoredModel.from_file(path)


def load_default_model() -> VprModel:
    """The shipped network, in evaluation mode.

    Raises:
        WeightsError: as `default_weights`.
    """
    from ghost_vpr_ros.core.model.weights import load_network

    return load_network(default_weights())
