"""Several training processes as one: torchrun starts them, gradients are summed, one of them writes."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class World:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that validates, tells and writes."""
        return self.rank == 0


def world() -> World:
    """What torchrun says in the environment; one process alone without it."""
    return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def torchrun(processes: int, arguments: Sequence[str]) -> list[str]:
    """The command that runs `python ARGUMENTS` in so many processes on this machine, meeting on loopback."""
    where = ["--nnodes", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    return [sys.executable, "-m", "torch.distributed.run", *where, "--nproc-per-node", str(processes), *arguments]


@contextmanager
def together(mine: World, device: str) -> Iterator[None]:
    """The processes joined into a group (NCCL between GPUs, Gloo between CPUs) until the block ends."""
    if mine.size == 1:
        yield
        return
    import torch

    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo", rank=mine.rank, world_size=mine.size)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def sum_gradients(model: "torch.nn.Module", mine: World) -> None:
    """Add up the gradients of all processes, in one message."""
    if mine.size == 1:
        return
    import torch

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    flat = torch.cat([_gradient(parameter).flatten() for parameter in trained])
    torch.distributed.all_reduce(flat)
    for parameter, part in zip(trained, torch.split(flat, [parameter.numel() for parameter in trained]), strict=True):
        # In the parameter's own order of memory, which the fused optimiser takes for granted.
        parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))


def _gradient(parameter: "torch.nn.Parameter") -> "torch.Tensor":
    """The gradient, zero where this process's share of the batch was empty."""
    import torch

    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def agreed(value: Any, mine: World) -> Any:
    """The leading process's value, in all of them."""
    if mine.size == 1:
        return value
    import torch

    shared = [value]
    torch.distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def gathered(value: Any, mine: World) -> list[Any]:
    """Every process's value, by rank, in all of them."""
    if mine.size == 1:
        return [value]
    import torch

    values: list[Any] = [None] * mine.size
    torch.distributed.all_gather_object(values, value)
    return values
