"""Single-process and distributed (torchrun) training: rank, share of the work, gathering.

    torchrun --nproc-per-node 2 -m training.train --config ... --out ...

Every process mines the same tuples from the same descriptors; describing and training are split.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ghost_vpr_ros.core.engine.torch_engine import checked_device

PATIENCE = timedelta(hours=2)
"""Time-out of a process that waits for the others; the first may take long to initialise."""


@dataclass(frozen=True)
class Processes:
    """This process in a group of training processes.

    Attributes:
        rank: number of this process; 0 writes.
        world: number of processes.
        device: of this process.
    """

    rank: int
    world: int
    device: torch.device

    @classmethod
    def start(cls, device: str) -> Processes:
        """Join the process group of torchrun, if there is one.

        Args:
            device: cpu, cuda, cuda:N, or auto (a GPU if available).

        Raises:
            DeviceError: no such device on this machine.
        """
        world = int(os.environ.get('WORLD_SIZE', 1))
        local_rank = int(os.environ.get('LOCAL_RANK', 0))
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        if device == 'cuda':
            device = f'cuda:{local_rank}'
        chosen = checked_device(device)
        if chosen.type == 'cuda':
            torch.cuda.set_device(chosen)
        if world > 1:
            dist.init_process_group('nccl' if chosen.type == 'cuda' else 'gloo', timeout=PATIENCE)
        return cls(int(os.environ.get('RANK', 0)), world, chosen)

    @property
    def writes(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    @property
    def own(self) -> slice:
        """Slice of this process's share of a list: every world-th item."""
        return slice(self.rank, None, self.world)

    @property
    def loaders(self) -> int:
        """Data-loading processes: one when training on a CPU, this process's cores on a GPU."""
        if self.device.type == 'cpu':
            return 1
        return max(1, (os.cpu_count() or 1) // self.world - 1)

    def wrap(self, module: nn.Module, *, same_buffers: bool) -> nn.Module:
        """The module with gradients averaged over all processes; unchanged for one process.

        Args:
            module: the network; parameters of rank 0 are sent to all.
            same_buffers: whether buffers never change, so that they are not broadcast.
        """
        if self.world == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, broadcast_buffers=not same_buffers)

    def gather(self, part: Tensor, total: int) -> Tensor:
        """All rows (total, ...) in order, from each process's part of its `own` rows."""
        if self.world == 1:
            return part
        largest = -(-total // self.world)
        padded = part.new_zeros((largest, *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in range(self.world)]
        dist.all_gather(parts, padded.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)[:total]

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums of values over all processes."""
        if self.world == 1:
            return [float(value) for value in values]
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def wait(self) -> None:
        """Wait for all processes."""
        if self.world > 1:
            dist.barrier()

    def leave(self) -> None:
        """Leave the process group, if there is one."""
        if dist.is_initialized():
            dist.destroy_process_group()


def without_exchange(network: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Skip the gradient exchange for all but the last part of a step."""
    if last or not isinstance(network, nn.parallel.DistributedDataParallel):
        return nullcontext()
    kept: AbstractContextManager[None] = network.no_sync()
    return kept
