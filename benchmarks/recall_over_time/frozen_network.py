"""EfficientNet-Lite0 with its ImageNet weights, with poolings that are not trained for places.

`GeM` pools its last map and learns nothing. `three layers, VLAD` is the strongest variant that we
know: three joined maps, principal components, hard VLAD and whitening, all learned on training
images, in the sizes of the shipped network's head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.pixel_input import PixelInput
from benchmarks.recall_over_time.learning_images import learning_frames
from benchmarks.recall_over_time.method import NOT_LEARNED, Files
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.whole_file import write_whole
from training.head.frozen_vlad import FrozenVlad, joined
from training.teacher_baseline import gem
from training.trunk.teacher import open_teacher

TEACHER = 'efficientnet-lite0'
BLOCKS = (7, 10, 14)
"""Ends of the stages of 80, 112 (stride 16) and 192 channels (stride 32)."""

POOLINGS = ('GeM', 'three layers, VLAD')
CHANNELS, CLUSTERS, DESCRIPTOR_DIM, SHRINKAGE = 64, 64, 512, 0.1
"""As in the shipped network (training/configs/ghost_vpr.yaml)."""


class FrozenNetwork(nn.Module):
    """RGB uint8 (B, h, w, 3) -> descriptors (B, D), unit norm.

    Attributes:
        head: maps of the trunk -> descriptors.
    """

    def __init__(self, trunk: nn.Sequential, blocks: Sequence[int], head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk[: blocks[-1] + 1] if blocks else trunk
        self.blocks = tuple(blocks)
        self.head = head
        self.inputs = PixelInput()

    def forward(self, pixels: Tensor) -> Tensor:
        """Descriptors of images."""
        found: Tensor = self.head(self.feature_map(pixels))
        return found

    def feature_map(self, pixels: Tensor) -> Tensor:
        """The last map, or the joined maps of the blocks, of unit norm in every cell."""
        x = self.inputs(pixels)
        maps = []
        for number, part in enumerate(self.trunk):
            x = part(x)
            if number in self.blocks:
                maps.append(x)
        return joined(maps) if maps else x


class GemHead(nn.Module):
    """The generalised mean of the last map."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """(B, C) of (B, C, h, w)."""
        return gem(feature_map)


class VladHead(FrozenVlad):
    """Principal components -> hard VLAD -> whitening."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, CHANNELS, CLUSTERS)
        self.whitening = Whitening(CHANNELS * CLUSTERS, DESCRIPTOR_DIM)

    def forward(self, feature_map: Tensor) -> Tensor:
        """(B, D) of (B, C, h, w)."""
        found: Tensor = self.whitening(super().forward(feature_map))
        return found

    @torch.no_grad()
    def set_randomly(self) -> None:
        """Set random parameters, which take as long as learned ones."""
        generator = torch.Generator().manual_seed(0)
        for each in self.parameters():
            each.normal_(std=0.1, generator=generator)
        self.mark_learned()

    def mark_learned(self) -> None:
        """Mark all parameters as learned, after loading them."""
        self.reduction.initialised = self.pooling.initialised = self.whitening.fitted = True


def frozen_network(
    pooling: str, size: PreprocessingConfig, files: Files
) -> tuple[FrozenNetwork, str]:
    """The network with this pooling, in evaluation mode, and the version of its parameters.

    Args:
        pooling: one of `POOLINGS`.
        size: of the input.
        files: folder of learned parameters.

    Raises:
        WeightsError: the package with its weights is not installed.
        SourceError: the training images are missing.
    """
    trunk = open_teacher(TEACHER).trunk
    assert isinstance(trunk, nn.Sequential)
    if pooling == 'GeM':
        return FrozenNetwork(trunk, (), GemHead()).eval(), TEACHER
    head = VladHead(sum(open_teacher(TEACHER, BLOCKS).channels))
    network = FrozenNetwork(trunk, BLOCKS, head).eval().requires_grad_(False)
    path = files.folder / f'{TEACHER}_vlad.safetensors'
    if not path.is_file() and not files.learn:
        head.set_randomly()
        return network, NOT_LEARNED
    if not path.is_file():
        learn(network, head, learning_frames(), size)
        write_whole(path, save(head.state_dict()), durable=False)
    head.load_state_dict(load_file(path))
    head.mark_learned()
    return network, hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@torch.no_grad()
def learn(
    network: FrozenNetwork, head: VladHead, frames: Sequence[Frame], size: PreprocessingConfig
) -> None:
    """Learn components and clusters on some of the frames, and the whitening on all.

    Raises:
        ImageError: an image cannot be read.
        SourceError: too few local features, or descriptors that span too few directions.
    """

    def feature_map(frame: Frame) -> Tensor:
        return network.feature_map(torch.from_numpy(pixel_batch(frame.load(), size)))

    head.learn(frames, feature_map)
    pooled = [
        FrozenVlad.forward(head, feature_map(frame))[0].numpy()
        for frame in tqdm(frames, 'whitening', leave=False, disable=None)
    ]
    head.whitening.fit(np.stack(pooled), shrinkage=SHRINKAGE)
