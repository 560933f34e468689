"""The interface of all poolings: their size, and how they are initialised before training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ghost_vpr_ros.core.errors import WeightsError


@dataclass(frozen=True)
class LocalSample:
    """Local features of some images, from which a pooling starts.

    Attributes:
        features: (N, C) float32, unit norm.
        roles: (N,) uint8, VOID, STATIC or DYNAMIC of `label_maps`; None: no labels are there.
    """

    features: Tensor
    roles: Tensor | None = None


class Pooling(nn.Module):
    """(B, C, h, w) -> (B, out_dim), float, unit norm.

    Attributes:
        label: its name in the papers, used in reports.
        out_dim: numbers of a descriptor.
        initialised: False until `initialise_from` or loaded weights have set its numbers; poolings
            that need no initialisation are True from the start.
        needs_features: `initialise_from` reads local features.
        needs_roles: it also reads whether each of them is static or dynamic.
    """

    label = ''
    needs_features = False
    needs_roles = False
    _initialised: bool

    def __init__(self, out_dim: int, *, initialised: bool) -> None:
        super().__init__()
        self.out_dim = out_dim
        self.initialised = initialised

    @property
    def initialised(self) -> bool:
        """Whether its numbers, and those of poolings inside it, are set."""
        return self._initialised

    @initialised.setter
    def initialised(self, value: bool) -> None:
        for part in self.modules():
            if isinstance(part, Pooling):
                part._initialised = value

    def initialise_from(self, sample: LocalSample | None, seed: int) -> None:
        """Set the weights that a training starts from, if there are any.

        Args:
            sample: local features; None where `needs_features` is False.
            seed: of everything random.

        Raises:
            SourceError: the sample does not suffice.
        """

    def check_initialised(self, what: str) -> None:
        """Refuse to run with weights that were never set.

        Args:
            what: those numbers, plural, for the message.

        Raises:
            WeightsError: they were never initialised.
        """
        if not self.initialised:
            raise WeightsError(
                f'{self.label}: the {what} are not initialised; initialise them from local '
                'features, or load trained weights, before the network is run'
            )
