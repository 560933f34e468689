"""The network that learns a teacher's maps, and how far it is from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.joined_maps import RowsTrunk
from training.loop.precision import TYPES


class Student(nn.Module):
    """Trunk and 1x1 projections: inputs (B, 3, h, w) to maps (B, C_teacher, h_i, w_i).

    A map whose cells are smaller than the teacher's has them averaged to these.

    Attributes:
        rows: of the trunk, whose maps are given; empty: its last map alone.
        precision: that the trunk computes in; projections and maps are float32.
    """

    precision = 'float32'

    def __init__(
        self, trunk: RowsTrunk, rows: Sequence[int], channels: Sequence[tuple[int, int]]
    ) -> None:
        """Join trunk and projections.

        Args:
            trunk: without joined rows.
            rows: ascending.
            channels: of the student and of the teacher, for each map.
        """
        super().__init__()
        self.trunk = trunk
        self.rows = tuple(rows)
        self.projections = nn.ModuleList(nn.Conv2d(own, wanted, 1) for own, wanted in channels)

    def forward(self, batch: Tensor) -> list[Tensor]:
        """The projected maps."""
        kind = TYPES.get(self.precision, torch.float32)
        with torch.autocast(batch.device.type, kind, enabled=kind != torch.float32):
            maps = self.trunk.row_maps(batch, self.rows) if self.rows else [self.trunk(batch)]
        pairs = zip(self.projections, maps, strict=True)
        return [projection(each.float()) for projection, each in pairs]


def distillation_loss(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean over all cells of one minus the cosine of two (B, C, h, w) maps.

    A finer map of the student is averaged to the teacher's cells.
    """
    if student_map.shape[2:] != teacher_map.shape[2:]:
        size = (teacher_map.shape[2], teacher_map.shape[3])
        student_map = nn.functional.adaptive_avg_pool2d(student_map, size)
    return 1.0 - nn.functional.cosine_similarity(student_map, teacher_map, dim=1).mean()
