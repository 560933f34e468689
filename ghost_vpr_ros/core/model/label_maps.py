"""What each place of an image shows, as label maps: static, dynamic, or neither.

Source: SRALNet, Section III-E. Buildings, roads, signs and vegetation are static; sky, people and
vehicles are dynamic. Any segmenter, or labels made by people, can say so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import SourceError

VOID, STATIC, DYNAMIC = 0, 1, 2
"""The roles of a label map."""


def roles_at_cells(
    label_map: NDArray[np.integer], input_size: tuple[int, int], cells: tuple[int, int]
) -> NDArray[np.uint8]:
    """(h', w') uint8: the role at the middle of each cell of a feature map.

    Deviation: SRALNet brings a segmenter's activations to this size by max pooling and decides
    then; a label map is decided already, so the nearest label counts.

    Args:
        label_map: (H, W) of VOID, STATIC and DYNAMIC; of any size with the input's aspect ratio.
        input_size: (h, w) of the network's input.
        cells: (h', w') of the feature map.

    Raises:
        SourceError: not such a map, or of another aspect ratio.
    """
    if label_map.ndim != 2 or not np.isin(label_map, (VOID, STATIC, DYNAMIC)).all():
        raise SourceError(
            f'label map: expected (H, W) of {VOID} (void), {STATIC} (static) and {DYNAMIC} '
            f'(dynamic), found {label_map.dtype} {label_map.shape} with '
            f'{np.unique(label_map)[:5].tolist()}; turn class numbers into these roles'
        )
    if label_map.shape != cells:
        check_aspect(label_map.shape, input_size, "the network's input")
    return resized(np.asarray(label_map, np.uint8), cells)


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
