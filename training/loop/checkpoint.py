"""Checkpoints: one safetensors file with tensors and JSON state, written atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from ghost_vpr_ros.core.errors import OutputError, WeightsError
from ghost_vpr_ros.core.whole_file import write_whole

FORMAT = 'ghost_vpr_ros_checkpoint/1'
_SLOT = '.slot.'


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Replace the checkpoint at `path`; if the process is killed meanwhile, the old one remains.

    Args:
        path: file to write.
        tensors: by name, any dtype.
        state: JSON values.

    Raises:
        OutputError: it cannot be written; the earlier checkpoint, if any, is untouched.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(dict(state))
    content = {'format': FORMAT, 'state': text, 'sha256': _digest(plain, text)}
    data = tensors_to_bytes(plain, content)
    try:
        write_whole(path, data, durable=True)
    except OSError as error:
        kept = 'the one before it is intact' if path.exists() else 'none was written before'
        raise OutputError(
            f'{path}: the checkpoint cannot be written ({error.strerror}), {kept}; free some '
            'space and start again with --resume'
        ) from error


def is_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint of any version, or unreadable."""
    try:
        with safe_open(path, framework='pt') as file:
            return 'state' in (file.metadata() or {})
    except (OSError, SafetensorError, RuntimeError):
        return True


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and state, of a checkpoint.

    Raises:
        WeightsError: missing, or not a checkpoint of this version.
    """
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            if metadata.get('format') != FORMAT:
                raise WeightsError(
                    f'{path}: expected a checkpoint of format {FORMAT!r}, found '
                    f'{metadata.get("format", "no format")!r}; name the folder of a training run'
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # Checkpoints of earlier versions have no digest.
        if metadata.get('sha256', '') not in ('', _digest(tensors, metadata['state'])):
            raise WeightsError(
                f'{path}: damaged: its content does not match its checksum; start the run again '
                'in another folder'
            )
        state = json.loads(metadata['state'])
    # RuntimeError: raised by PyTorch if the disk fails while it maps the file.
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f'{path}: not readable as a checkpoint ({error}); restart in another folder'
        ) from error
    return tensors, state


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    """SHA-256 of names, types, shapes and values, and of the state."""
    found = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Set every tensor of a module from a checkpoint.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape.
    """
    expected = module.state_dict()
    wrong = sorted(expected.keys() ^ tensors.keys())
    wrong += sorted(k for k in expected if k in tensors and expected[k].shape != tensors[k].shape)
    if wrong:
        raise WeightsError(
            f'{where}: {len(wrong)} of {len(expected)} tensors are missing, unknown or of another '
            f'shape, first {wrong[0]!r}; this checkpoint belongs to another architecture'
        )
    module.load_state_dict(dict(tensors))


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with `prefix.` added to each name."""
    return {f'{prefix}.{name}': tensor for name, tensor in tensors.items()}


def unnamed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name starts with `prefix.`, without it."""
    start = f'{prefix}.'
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def tensors_of(optimiser: torch.optim.Optimizer, **modules: torch.nn.Module) -> dict[str, Tensor]:
    """The tensors of an optimiser and of modules, prefixed with `optimiser.` and their names."""
    found = named('optimiser', _flattened(optimiser))
    for name, module in modules.items():
        found |= named(name, module.state_dict())
    return found


def restore_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    **modules: torch.nn.Module,
) -> None:
    """Set modules and optimiser from the tensors of a checkpoint, as `tensors_of` named them.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape.
    """
    for name, module in modules.items():
        load_into(module, unnamed(name, tensors), path)
    _restore_optimiser(optimiser, unnamed('optimiser', tensors))


def _flattened(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as tensors, `NUMBER_OF_PARAMETER.slot.NAME`; no hyper-parameters."""
    return {
        f'{number}{_SLOT}{name}': torch.as_tensor(value)
        for number, slots in optimiser.state_dict()['state'].items()
        for name, value in slots.items()
        if value is not None
    }


def _restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set the state of an optimiser that was built like the saved one."""
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(_SLOT)
        slots.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), 'state': slots})
