"""Label maps of images: each pixel is static, dynamic, or neither.

Source: SRALNet, Section III-E. Buildings, roads, signs and vegetation are static; sky, people and
vehicles are dynamic. They come from any segmenter, or from labels made by hand.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ghost_vpr_ros.core.errors import SourceError

VOID, STATIC, DYNAMIC = 0, 1, 2
"""The roles of a label map."""


ROLES = 3
"""How many roles there are."""


def roles_at_cells(
    label_map: NDArray[np.number], input_size: tuple[int, int], cells: tuple[int, int]
) -> NDArray[np.uint8]:
    """(h', w') uint8: what each cell of a feature map shows.

    Scores of a segmenter are brought to the cells by max pooling and decided there, as in SRALNet.
    Deviation: a label map is decided already; a cell shows what most of its pixels do.

    Args:
        label_map: (H, W) of VOID, STATIC and DYNAMIC, or (3, H, W) float scores of these roles;
            of any size with the input's aspect ratio.
        input_size: (h, w) of the network's input.
        cells: (h', w') of the feature map.

    Raises:
        SourceError: not such a map, or of another aspect ratio.
    """
    if _are_scores(label_map):
        scores = torch.from_numpy(np.asarray(label_map, np.float32))[None]
    else:
        _check_roles(label_map)
        scores = torch.eye(ROLES)[torch.from_numpy(np.asarray(label_map, np.int64))]
        scores = scores.permute(2, 0, 1)[None]
    size = label_map.shape[-2:]
    if size != cells:
        check_aspect(size, input_size, "the network's input")
    pool = (
        nn.functional.adaptive_max_pool2d
        if _are_scores(label_map)
        else nn.functional.adaptive_avg_pool2d
    )
    pooled: torch.Tensor = pool(scores, cells)
    return np.asarray(pooled[0].argmax(dim=0).numpy(), np.uint8)


def _are_scores(label_map: NDArray[np.number]) -> bool:
    is_float = np.issubdtype(label_map.dtype, np.floating)
    return is_float and label_map.ndim == 3 and len(label_map) == ROLES


def _check_roles(label_map: NDArray[np.number]) -> None:
    if label_map.ndim != 2 or not np.isin(label_map, (VOID, STATIC, DYNAMIC)).all():
        raise SourceError(
            f'label map: expected (H, W) of {VOID} (void), {STATIC} (static) and {DYNAMIC} '
            f'(dynamic), found {label_map.dtype} {label_map.shape} with '
            f'{np.unique(label_map)[:5].tolist()}; turn class numbers into these roles'
        )


def check_aspect(shape: tuple[int, ...], other: tuple[int, ...], what: str) -> None:
    """Refuse a label map (H, W) that is not an enlarged or reduced view of (h, w).

    Raises:
        SourceError: the aspect ratios differ by more than rounding to whole pixels.
    """
    (height, width), (other_height, other_width) = shape, other
    if abs(width * other_height - height * other_width) > max(other):
        raise SourceError(
            f'label map: expected the aspect ratio of {what}, {other_width}x{other_height}, found '
            f'{width}x{height}; label the image that is shown, without cutting it'
        )


def resized(label_map: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w) of (H, W): at each place the label that lies nearest to its middle."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for new, old in zip(size, label_map.shape, strict=True)
    )
    return label_map[np.ix_(rows, columns)]
