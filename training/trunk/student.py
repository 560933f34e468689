"""The student network of a distillation, and the loss between its maps and the teacher's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.model.joined_maps import RowsTrunk
from training.loop.precision import TYPES


class Student(nn.Module):
    """Trunk and 1x1 projections: inputs (B, 3, h, w) to maps (B, C_teacher, h_i, w_i).

    Attributes:
        rows: row of the trunk for each map; empty: only its last map.
        precision: of the trunk; projections and maps are float32.
    """

    precision = 'float32'

    def __init__(
        self, trunk: RowsTrunk, rows: Sequence[int], channels: Sequence[tuple[int, int]]
    ) -> None:
        """Add projections to a trunk.

        Args:
            trunk: without joined rows.
            rows: row of each map; a row may have several maps.
            channels: numbers of channels of student and teacher, for each map.
        """
        super().__init__()
        self.trunk = trunk
        self.rows = tuple(rows)
        self.projections = nn.ModuleList(nn.Conv2d(own, wanted, 1) for own, wanted in channels)

    def forward(self, batch: Tensor) -> list[Tensor]:
        """The projected maps."""
        kind = TYPES.get(self.precision, torch.float32)
        with torch.autocast(batch.device.type, kind, enabled=kind != torch.float32):
            maps = self._maps(batch)
        pairs = zip(self.projections, maps, strict=True)
        return [projection(each.float()) for projection, each in pairs]

    def _maps(self, batch: Tensor) -> list[Tensor]:
        """(B, C, h_i, w_i) of the trunk, for each projection."""
        if not self.rows:
            return [self.trunk(batch)]
        rows = sorted(set(self.rows))
        found = dict(zip(rows, self.trunk.row_maps(batch, rows), strict=True))
        return [found[row] for row in self.rows]

    def taught(self, row: int) -> tuple[Tensor, Tensor]:
        """Weight (T, C) and bias (T,) of a row's projection.

        Projections to several teachers are stacked with equal norms, so that inner products add.
        """
        found = [
            (each.weight.flatten(1), each.bias)
            for own, each in zip(self.rows, self.projections, strict=True)
            if own == row and isinstance(each, nn.Conv2d) and each.bias is not None
        ]
        if len(found) == 1:
            return found[0]
        norms = [weight.norm() for weight, _ in found]
        weights = [weight / norm for (weight, _), norm in zip(found, norms, strict=True)]
        biases = [bias / norm for (_, bias), norm in zip(found, norms, strict=True)]
        return torch.cat(weights), torch.cat(biases)


def distillation_loss(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean over all cells of one minus the cosine of two (B, C, h, w) maps.

    A finer map of the student is averaged to the teacher's cells.
    """
    if student_map.shape[2:] != teacher_map.shape[2:]:
        size = (teacher_map.shape[2], teacher_map.shape[3])
        student_map = nn.functional.adaptive_avg_pool2d(student_map, size)
    return 1.0 - nn.functional.cosine_similarity(student_map, teacher_map, dim=1).mean()
