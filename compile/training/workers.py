"""The processes of one training run: one alone, or those that torchrun started, a GPU each where there are GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from edge.errors import UsageError

PATIENCE = timedelta(hours=24)  # the others wait while one makes kept views; torch gives up after 10 or 30 minutes


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Workers:
    """Which of the processes this one is.

    Attributes:
        rank: number of this process; number 0 writes the files.
        count: number of processes.
        device: where this process computes.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=_device)

    @property
    def writes(self) -> bool:
        """Whether this process writes checkpoints, logs and weights."""
        return self.rank == 0

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            distributed.barrier()

    def shared(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are means over the processes."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module, device_ids=[self.device] if self.device.type == "cuda" else None)


@contextmanager
def workers_from_environment(environment: Mapping[str, str]) -> Iterator[Workers]:
    """Join the processes that torchrun started; alone where it did not.

    Args:
        environment: with RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT of torchrun, or without.

    Yields:
        This process among the others.

    Raises:
        UsageError: torchrun's variables are incomplete, or there are more processes than GPUs.
    """
    if "WORLD_SIZE" not in environment:
        yield Workers()
        return
    try:
        rank, count, local = (int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    except (KeyError, ValueError) as error:
        raise UsageError(f"WORLD_SIZE is set, but {error} is not usable.", "Start the run with torchrun.") from error
    has_gpu = torch.cuda.is_available()
    if has_gpu and local >= torch.cuda.device_count():
        raise UsageError(
            f"Process {local} has no GPU: there are {torch.cuda.device_count()}.", "Lower --nproc-per-node."
        )
    device = torch.device("cuda", local) if has_gpu else torch.device("cpu")
    if has_gpu:
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if has_gpu else "gloo", rank=rank, world_size=count, timeout=PATIENCE)
    except ValueError as error:  # without MASTER_ADDR or MASTER_PORT, which torch reads itself
        cause = str(error).rpartition(": ")[2].rstrip(".")
        raise UsageError(f"WORLD_SIZE is set, but {cause}.", "Start the run with torchrun.") from error
    try:
        yield Workers(rank, count, device)
    finally:
        distributed.destroy_process_group()
