"""Maps of several rows of a trunk, joined to one map.

Middle rows of a trunk (stride 16) distinguish places by detail, the last ones (stride 32)
recognise them by night. Each map goes through a 1x1 convolution of its own, is normalised in every
cell, and is resized to the finest one; their channels are concatenated.

Deviation: NetVLAD and Ghost-dil-NetVLAD pool the last map of the trunk alone. With rows 9, 11 and
    16 an untrained reading of the trunk finds more places (docs/training.md, "Three maps").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class JoinedMaps(nn.Module):
    """Maps (B, C_i, h_i, w_i) -> (B, sum of C_i, h, w), of the size of the first.

    The convolutions start as the identity. After a distillation they give the student's version
    of its teacher's maps.

    Attributes:
        channels: C_i of each map.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.projections = nn.ModuleList(nn.Conv2d(each, each, 1) for each in channels)
        for projection in self.projections:
            assert isinstance(projection, nn.Conv2d) and projection.bias is not None
            nn.init.dirac_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The joined map of the maps of one batch, finest first."""
        size = maps[0].shape[2:]
        return torch.cat([_resized(each, size) for each in self.parts(maps)], dim=1)

    def parts(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(B, C_i, h_i, w_i) each, unit norm in every cell, in their own sizes."""
        pairs = zip(self.projections, maps, strict=True)
        return [nn.functional.normalize(projection(each), dim=1) for projection, each in pairs]


def _resized(feature_map: Tensor, size: torch.Size) -> Tensor:
    """Every cell repeated, so that its sums in a VLAD only change their scale."""
    if feature_map.shape[2:] == size:
        return feature_map
    return nn.functional.interpolate(feature_map, size=(int(size[0]), int(size[1])))


class RowsTrunk(nn.Sequential):
    """A trunk in parts, of which some give their maps; with no rows named, the last alone.

    The joined map's numbers stand behind the parts, so a trunk that ends at its last row has the
    tensors of a longer one by the same names.

    Attributes:
        rows: numbers of the parts whose maps are joined; empty: none are.
        left_out: names of the parts behind the last of them.
        out_channels: C of what leaves the trunk.
    """

    joint: JoinedMaps
    rows: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    out_channels: int

    def join_rows(self, rows: Sequence[int], channels: Sequence[int]) -> None:
        """End at the last of the rows and give their joined maps.

        Args:
            rows: numbers of parts, ascending.
            channels: of each of their maps.
        """
        self.left_out = tuple(self._modules)[rows[-1] + 1 :]
        del self[rows[-1] + 1 :]
        for part in self:
            # In place, it would change the map that the part before it gave.
            if isinstance(part, nn.ReLU):
                part.inplace = False
        self.rows = tuple(rows)
        self.add_module('joint', JoinedMaps(channels))
        self.out_channels = sum(channels)

    def trunk_parts(self) -> list[nn.Module]:
        """The parts in a row, without what joins their maps."""
        return [part for part in self if not isinstance(part, JoinedMaps)]

    def row_maps(self, batch: Tensor, rows: Iterable[int]) -> list[Tensor]:
        """The maps (B, C_i, h_i, w_i) that these parts give, in the order of the parts."""
        wanted, found, x = set(rows), [], batch
        for number, part in enumerate(self.trunk_parts()):
            x = part(x)
            if number in wanted:
                found.append(x)
        return found

    def forward(self, batch: Tensor) -> Tensor:
        """Feature map (B, C, h', w') of network inputs (B, 3, h, w)."""
        if not self.rows:
            return super().forward(batch)
        joined: Tensor = self.joint(self.row_maps(batch, self.rows))
        return joined
