"""What the machine has, and what training makes of it."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Hardware:
    """Where sums are done: `cpu` or `cuda`, and whether in bf16."""

    device: str
    bf16: bool
    name: str


def chosen(precision: str) -> Hardware:
    """The GPU if there is one, else the CPU; bf16 where the chip has matrix units for it, or where it is asked for.

    AVX512-BF16 without AMX does not count: fine-tuning MiniLM ran 1.5 to 6 times slower in bf16 than in fp32 there.
    """
    import torch

    if torch.cuda.is_available():
        native, device, name = torch.cuda.is_bf16_supported(), "cuda", torch.cuda.get_device_name()
    else:
        native = bool(torch.cpu._is_amx_tile_supported())  # noqa: SLF001 (torch has no public name for it)
        device, name = "cpu", "CPU with bf16" if native else "CPU"
    return Hardware(device, native if precision == "auto" else precision == "bf16", name)


def make_deterministic(seed: int, threads: int, strictly: bool = True) -> None:
    """Seed torch, fix its thread count and, `strictly`, allow only algorithms that repeat themselves bit for bit."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strictly)
    torch.backends.cudnn.benchmark = not strictly
    torch.manual_seed(seed)


def seed_process(seed: int, rank: int) -> None:
    """Give each of several processes random numbers of its own (the first keeps those of one process alone)."""
    import torch

    if rank:
        torch.manual_seed(seed + rank)


def autocast(hardware: Hardware) -> "torch.autocast":
    """The precision of the forward pass."""
    import torch

    return torch.autocast(hardware.device, dtype=torch.bfloat16, enabled=hardware.bf16)
