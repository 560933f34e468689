"""Transfer a student's trunk and projections to the network to be trained next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import PcaConfig
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.model.principal_components import principal_components
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.trunk.student import Student


@torch.no_grad()
def take_rows(model: VprModel, student: Student) -> None:
    """Copy the student's trunk, and its projection of each joined row, to a network.

    A projection to more channels than the row has is reduced to the row's channels by a rotation,
    which does not change cosines within the map.

    Args:
        model: joins some of the student's rows.
        student: with a trunk without joined rows.
    """
    own = model.backbone.state_dict()
    learned = student.trunk.state_dict()
    model.backbone.load_state_dict({name: learned.get(name, value) for name, value in own.items()})
    for row, target in zip(model.config.rows, model.backbone.joint.projections, strict=True):
        assert isinstance(target, nn.Conv2d) and target.bias is not None
        weight, bias = square(*student.taught(row))
        target.weight.copy_(weight[:, :, None, None])
        target.bias.copy_(bias)


def square(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A projection (T, C), (T,) as one to C channels that preserves inner products.

    For T > C, the weakest of the C + 1 directions of weight and bias is lost.
    """
    taught, channels = weight.shape
    if taught > channels:
        directions = torch.linalg.svd(torch.cat([weight, bias[:, None]], dim=1)).U[:, :channels]
        return directions.T @ weight, directions.T @ bias
    missing = channels - taught
    return nn.functional.pad(weight, (0, 0, 0, missing)), nn.functional.pad(bias, (0, missing))


def reduce_as_taught(reduction: Reduction, student: Student, views: Iterable[Tensor]) -> None:
    """Set a reduction to the student's only projection, followed by PCA of its output.

    Args:
        reduction: of the student's last map.
        student: with a single map, its last one.
        views: batches (B, 3, h, w) to learn the PCA on.

    Raises:
        SourceError: the views span fewer than R directions.
    """
    projection = _Projection.of(student)
    projected = torch.cat([projection.sample(student.trunk, view) for view in views])
    projection.then_components(projected, reduction)


@dataclass(frozen=True)
class _Projection:
    """The student's 1x1 projection as a matrix.

    Attributes:
        weight: (C_teacher, C).
        bias: (C_teacher,).
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, student: Student) -> _Projection:
        (projection,) = student.projections
        assert isinstance(projection, nn.Conv2d) and projection.bias is not None
        return cls(projection.weight.detach().flatten(1), projection.bias.detach())

    @torch.no_grad()
    def sample(self, trunk: nn.Module, views: Tensor) -> Tensor:
        """(N, C_teacher) unit-norm projected local features of a batch."""
        features = trunk(views).permute(0, 2, 3, 1).flatten(0, 2)
        return nn.functional.normalize(features @ self.weight.T + self.bias, dim=1)

    def then_components(self, projected: Tensor, reduction: Reduction) -> None:
        """Set the reduction to this projection followed by PCA of (N, C_teacher) features.

        The mean is not subtracted: it is part of every unit-norm feature, as for the clusters.

        Raises:
            SourceError: the features span fewer than R directions.
        """
        wanted = reduction.projection.out_channels
        found = principal_components(projected, wanted, PcaConfig(method='exact'))
        if len(found.deviations) < wanted:
            raise SourceError(
                f'distillation: expected local features that span at least {wanted} directions, '
                f'found {len(found.deviations)}; use more photos, or a smaller reduced_channels'
            )
        directions = torch.from_numpy(found.directions)
        reduction.set_projection(directions @ self.weight, directions @ self.bias)
