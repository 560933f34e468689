"""Load trunks from state dicts with torchvision's names: torchvision's, Places-365's, a user's.

Nothing is downloaded; the user provides the state dict. Layers after the trunk are ignored.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from torch import Tensor

from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.joined_maps import RowsTrunk

_SOURCES = {
    'alexnet': ('features.', ('classifier.',)),
    'alexnet_ungrouped': ('features.', ('classifier.',)),
    'vgg16': ('features.', ('classifier.',)),
    'mobilenet_v3_large': ('features.', ('classifier.',)),
    'resnet18': ('', ('layer4.', 'fc.')),
}
"""Trunk -> prefix of its names in torchvision's network, and prefixes of the layers after it."""

_COUNTER = 'num_batches_tracked'
"""Counter of batch norm, absent from files of early versions of torch and not needed."""


def load_torchvision_weights(
    trunk: RowsTrunk, backbone: str, tensors: Mapping[str, Tensor], where: str
) -> None:
    """Load a trunk from torchvision's state dict of the whole network.

    Args:
        trunk: built by `build_backbone`.
        backbone: its name.
        tensors: by torchvision's names, with or without the prefix `module.`.
        where: the file, for messages.

    Raises:
        WeightsError: the trunk is not torchvision's, or a tensor is missing, unknown, of another
            shape or not finite.
    """
    if backbone not in _SOURCES:
        raise WeightsError(
            f'{where}: expected a backbone of torchvision ({", ".join(_SOURCES)}), found '
            f'{backbone}; start from weights of this package instead'
        )
    prefix, behind = _SOURCES[backbone]
    given = {name.removeprefix('module.'): tensor for name, tensor in tensors.items()}
    own = trunk.state_dict()
    expected = {prefix + k: tensor for k, tensor in own.items() if not k.startswith('joint.')}
    behind = (*behind, *(f'{prefix}{name}.' for name in trunk.left_out))
    unknown = [k for k in given if k not in expected and not k.startswith(behind)]
    missing = [k for k in expected if k not in given and not k.endswith(_COUNTER)]
    if missing:
        raise _refusal(where, backbone, 'missing', missing[0], unknown)
    if unknown:
        raise _refusal(where, backbone, 'unknown', unknown[0], list(expected))
    _check_numbers(expected, given, backbone, where)
    loaded = {k.removeprefix(prefix): given.get(k, old) for k, old in expected.items()}
    trunk.load_state_dict({**own, **loaded})


def _check_numbers(
    expected: Mapping[str, Tensor], given: Mapping[str, Tensor], backbone: str, where: str
) -> None:
    for name, tensor in expected.items():
        found = given.get(name, tensor)
        if found.shape != tensor.shape:
            raise WeightsError(
                f'{where}: expected {name!r} of {backbone} in shape {tuple(tensor.shape)}, found '
                f'{tuple(found.shape)}; these weights belong to another network'
            )
        if not found.isfinite().all():
            raise WeightsError(f'{where}: {name!r} is not finite; fetch the file again')


def _refusal(where: str, backbone: str, what: str, name: str, others: list[str]) -> WeightsError:
    near = difflib.get_close_matches(name, others, n=1, cutoff=0.8)
    hint = f' (found {near[0]!r})' if near and what == 'missing' else ''
    hint = f' (expected {near[0]!r})' if near and what == 'unknown' else hint
    return WeightsError(
        f'{where}: the tensor {name!r} is {what}{hint}; expected the names of torchvision for '
        f'{backbone}, use its state dict, or choose the backbone that the file belongs to'
    )
