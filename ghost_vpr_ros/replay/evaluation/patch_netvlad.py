"""Patch-NetVLAD: two images compared patch by patch, each patch a NetVLAD of its own.

Source: Hausler, Garg, Xu, Milford, Fischer, "Patch-NetVLAD" (CVPR 2021), Section 3: NetVLAD over
every square patch of the feature map by an integral feature space, the network's own whitening,
mutual nearest neighbours, and a score by RANSAC or by rapid spatial scoring, averaged over sizes.

Deviations: patches are as large a part of the image as in the paper, whatever the size of the
feature map; the paper's 2, 5 and 8 cells are those of 30 x 40. A size with fewer patches than a
homography can be told from counts for nothing, and its weight goes to the others. MAGSAC++ with at
least 8 matches stands in for RANSAC. Without components of their own, patches go through the
whitening that was learned on whole images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.engine import Engine
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.description import DescribedModel
from ghost_vpr_ros.core.model.poolings.registry import feature_map_size
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_network
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.verification.patch_features import mutual_nearest
from ghost_vpr_ros.replay.config import PatchNetVladConfig

_CONFIDENCE = 0.999
_ITERATIONS = 1000
LEAST_POINTS = 8
"""Fewer matches agree with nothing. Deviation: four points determine a homography; eight, and
MAGSAC++ in place of RANSAC, keep chance agreements on coarse grids out."""

_STRIDE = 1.0
"""Cells from one patch to the next, and the error of a consistent match."""


@runtime_checkable
class ClusterPooling(Protocol):
    """A pooling that sums residuals to K cluster centres, so that patches have sums, too.

    Attributes:
        centres: (K, C).
        out_dim: numbers of a descriptor; K * C where the image is one patch.
    """

    centres: nn.Parameter
    out_dim: int

    def weights(self, x: Tensor, feature_map: Tensor) -> Tensor:
        """(B, K, h, w): soft assignment of each location; `NetVLAD.weights`."""
        ...


@dataclass(frozen=True)
class PatchGrid:
    """All patches of one size in one image.

    Attributes:
        descriptors: (N, D) float32, unit norm, row by row.
        points: (N, 2) float64 centres x, y; the first cell's is (0.5, 0.5).
        extent: (2,) largest x and y offset that two patches of one image can have, cells.
        weight: of this size.
    """

    descriptors: NDArray[np.float32]
    points: NDArray[np.float64]
    extent: tuple[int, int]
    weight: float

    def __len__(self) -> int:
        return len(self.points)

    @property
    def counts(self) -> bool:
        """Whether there are patches enough to tell whether they agree."""
        return len(self) >= LEAST_POINTS


@dataclass(frozen=True)
class ImagePatches:
    """The patches of one image.

    Attributes:
        grids: one for each size.
        width: of the feature map, cells.
        height: of the feature map, cells.
    """

    grids: tuple[PatchGrid, ...]
    width: int
    height: int

    def __len__(self) -> int:
        return sum(len(grid) for grid in self.grids)


@dataclass(frozen=True)
class PatchComparison:
    """How well two images agree.

    Attributes:
        score: weighted mean over the sizes that count; higher is better.
        matches: patches that are each other's nearest.
        query: (n, 2) cells, the centres of matched patches that agree (`rapid`: of all matched).
        reference: (n, 2) the same in the other image.
    """

    score: float
    matches: int
    query: NDArray[np.float64]
    reference: NDArray[np.float64]


class PatchDescriber:
    """Describes the patches of images with one network; not for several threads at once."""

    def __init__(
        self,
        model: DescribedModel,
        engine: Engine,
        config: PatchNetVladConfig,
        components: Whitening | None = None,
        preprocessing: PreprocessingConfig | None = None,
    ) -> None:
        """Keep the engine, which its owner closes, and the model's pooling and whitening.

        Args:
            model: the network.
            engine: runs it.
            config: sizes, and how patches are compared.
            components: learned on patches, in place of the network's whitening.
            preprocessing: in place of the network's own.

        Raises:
            ConfigError: the model pools without clusters or has no such prefix, or its feature map
                is too small for patches.
        """
        network, self._pooling = _network_of(model)
        self._whitening = components or _whitening_of(network, config)
        self._preprocessing = preprocessing or model.preprocessing
        self._engine = engine
        self._weights = patch_sizes(
            config, feature_map_size(network.backbone, self._preprocessing)
        )

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.uint8]) -> ImagePatches:
        """The patches of an RGB uint8 (H, W, 3) image.

        Raises:
            ImageError: the array is not such an image.
        """
        found = self._engine.feature_map(pixel_batch(image, self._preprocessing))
        sums = integral_residuals(self._pooling, torch.from_numpy(found))
        height, width = found.shape[2:]
        grids = tuple(self._grid(sums, *each) for each in self._weights.items())
        return ImagePatches(grids, width, height)

    def _grid(self, sums: Tensor, size: int, weight: float) -> PatchGrid:
        vlads = patch_vlads(sums, size)
        rows, columns = vlads.shape[:2]
        y, x = np.mgrid[:rows, :columns]
        points = np.column_stack([x.ravel(), y.ravel()]) + size / 2.0
        descriptors = self._whitening(vlads.flatten(0, 1)).numpy()
        return PatchGrid(descriptors, points, (columns - 1, rows - 1), weight)


def patch_sizes(config: PatchNetVladConfig, cells: tuple[int, int]) -> dict[int, float]:
    """Sides of the patches on a feature map of (h, w) cells, and the weight of each.

    Sizes that become the same are one, with their weights added.

    Raises:
        ConfigError: no size leaves room for as many patches as are needed.
    """
    scale = min(cells) / config.patch_map_side if config.patch_map_side else 1.0
    weights: dict[int, float] = {}
    for size, weight in zip(config.patch_sizes, config.patch_weights, strict=True):
        if weight > 0.0:
            side = min(max(int(scale * size + 0.5), 1), *cells)
            weights[side] = weights.get(side, 0.0) + weight
    most = max((cells[0] - size + 1) * (cells[1] - size + 1) for size in weights)
    if most < LEAST_POINTS:
        raise ConfigError(
            f'patch-netvlad: expected room for at least {LEAST_POINTS} patches, found {most} in a '
            f'feature map of {cells[1]}x{cells[0]} cells; make the input larger or the '
            'patch_sizes smaller'
        )
    return weights


def _network_of(model: DescribedModel) -> tuple[VprModel, ClusterPooling]:
    """The network in memory, and its pooling, which has to be one by clusters."""
    network = load_network(model) if isinstance(model, StoredModel) else model
    if isinstance(network, VprModel) and isinstance(network.pooling, ClusterPooling):
        pooling = network.pooling
        # A pyramid stacks several VLADs: its whitening does not fit the one of a patch.
        if pooling.out_dim == pooling.centres.numel():
            return network, pooling
    raise ConfigError(
        'patch-netvlad: expected a network that pools by clusters, as NetVLAD does, found '
        f'{model.name}; choose another network, or go without patches'
    )


def _whitening_of(model: VprModel, config: PatchNetVladConfig) -> nn.Module:
    """The projection of patches: the model's whitening, a prefix of it, or none."""
    if not config.patch_whitening:
        return nn.Identity()
    dim = config.patch_dim
    if dim == 0:
        return model.whitening
    if not isinstance(model.whitening, Whitening) or dim > model.descriptor_dim:
        size = model.descriptor_dim if isinstance(model.whitening, Whitening) else 'no whitening'
        raise ConfigError(
            f'patch_dim: expected at most the size of the whitened descriptor, found {dim} with '
            f'{size}; use 0 for whole descriptors'
        )
    return model.whitening.prefix(dim)


def integral_residuals(pooling: ClusterPooling, feature_map: Tensor) -> Tensor:
    """(K, C, h + 1, w + 1) sums of weighted residuals left of and above each corner (Section 3.5).

    Float64: a patch hardly touches most clusters, and intra-normalisation makes unit vectors of
    the little that they get; rounding errors of the large sums would take its place.

    Args:
        pooling: assigns local features to clusters.
        feature_map: (1, C, h, w), the input of the pooling.
    """
    x = nn.functional.normalize(feature_map, dim=1)
    a = pooling.weights(x, feature_map)[0][:, None]
    residuals = (a * (x - pooling.centres[:, :, None, None])).double()
    return nn.functional.pad(residuals.cumsum(dim=2).cumsum(dim=3), (1, 0, 1, 0))


def patch_vlads(sums: Tensor, size: int) -> Tensor:
    """(h - size + 1, w - size + 1, K * C) float32 NetVLAD of the square patches, unit norm.

    Args:
        sums: (K, C, h + 1, w + 1), see `integral_residuals`.
        size: side of a patch, cells; at most h and w.
    """
    inside = sums[..., size:, size:] - sums[..., :-size, size:]
    inside = inside - sums[..., size:, :-size] + sums[..., :-size, :-size]
    v = nn.functional.normalize(inside, dim=1).flatten(0, 1)
    return nn.functional.normalize(v, dim=0).permute(1, 2, 0).float()


def compare(query: ImagePatches, reference: ImagePatches, scoring: str) -> PatchComparison:
    """Two images, whose patches were described in the same way, patch by patch."""
    score, weight, matches = 0.0, 0.0, 0
    agreeing: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for a, b in zip(query.grids, reference.grids, strict=True):
        if not a.counts:
            continue
        weight += a.weight
        rows, columns = mutual_nearest(a.descriptors @ b.descriptors.T)
        at, there = a.points[rows], b.points[columns]
        if scoring == 'rapid':
            score += a.weight * rapid_score(at, there, a.extent, len(a))
        else:
            keep = consistent_patches(at, there, _STRIDE)
            at, there = at[keep], there[keep]
            score += a.weight * len(at) / len(a)
        matches += len(rows)
        agreeing.append((at, there))
    return PatchComparison(
        score / weight, matches, *map(np.concatenate, zip(*agreeing, strict=True))
    )


def consistent_patches(
    query: NDArray[np.float64], keyframe: NDArray[np.float64], cells: float
) -> NDArray[np.bool_]:
    """(M,) which of the matches (M, 2) and (M, 2) agree with one homography (MAGSAC++).

    To so many cells. Points on a grid so coarse agree with too many fundamental matrices.
    """
    none = np.zeros(len(query), bool)
    if len(query) < LEAST_POINTS:
        return none
    try:
        _, mask = cv2.findHomography(
            query,
            keyframe,
            cv2.USAC_MAGSAC,
            cells,
            maxIters=_ITERATIONS,
            confidence=_CONFIDENCE,
        )
    except cv2.error:
        # OpenCV refuses points that all coincide or lie on a line.
        return none
    return none if mask is None else np.asarray(mask.ravel() > 0)


def rapid_score(
    query: NDArray[np.float64],
    reference: NDArray[np.float64],
    extent: tuple[int, int],
    patches: int,
) -> float:
    """Rapid spatial score of M matched patches (Section 3.4.2), 0 without any.

    The displacements' distances from their mean, subtracted from the largest offset that there
    can be, squared, for x and y, summed over the matches and divided by the number of patches.

    Args:
        query: (M, 2) centres x, y, cells.
        reference: (M, 2) of the patches that match them.
        extent: largest offset in x and in y, cells.
        patches: in one image.
    """
    if len(query) == 0:
        return 0.0
    displacement = reference - query
    residual = np.abs(displacement - displacement.mean(axis=0))
    return float((np.square(np.array(extent) - residual)).sum() / patches)
