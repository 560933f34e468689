"""Opening a file of weights, whatever it holds: a network, or the baseline without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.core.model.weights_file import (
    FORMAT,
    ROOTSIFT_FORMAT,
    StoredModel,
    read_file,
    read_metadata,
)

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad


def open_any_model(path: Path | str) -> StoredModel | RootSiftVlad:
    """The model of a file: a network, or RootSIFT-VLAD, which alone needs PyTorch.

    Raises:
        WeightsError: the file is missing, damaged, or neither of the two.
    """
    data = read_file(path)
    if read_metadata(data, str(path), ROOTSIFT_FORMAT)['format'] == FORMAT:
        return StoredModel.from_bytes(data, str(path))
    from ghost_vpr_ros.core.model.rootsift_file import rootsift_from_bytes

    return rootsift_from_bytes(data, str(path))
