"""Networks without memory for their numbers, which a file then brings.

PyTorch has known this since 2.0 (`torch.device` as a context) and 2.1 (`assign`); with an earlier
one the numbers are made and overwritten.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

_KNOWS_META_CONTEXT = hasattr(torch.device, '__enter__')
_KNOWS_ASSIGN = 'assign' in inspect.signature(nn.Module.load_state_dict).parameters


@contextlib.contextmanager
def blank_network() -> Iterator[None]:
    """What is built inside has no memory where PyTorch can do so; random numbers stay as they are.

    A network of damaged sizes then fails before memory is taken for it.
    """
    if _KNOWS_META_CONTEXT:
        with torch.device('meta'):
            yield
        return
    with torch.random.fork_rng(devices=[]):
        yield


def take_numbers(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a blank network its numbers; all of them have to be there, in the right shapes."""
    if _KNOWS_ASSIGN:
        network.load_state_dict(dict(tensors), strict=True, assign=True)
        return
    network.load_state_dict(dict(tensors), strict=True)
