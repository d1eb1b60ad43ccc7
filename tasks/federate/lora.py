"""Low-rank changes of a frozen encoder's attention (Hu et al. 2022): a hundredth of the values to train and to send."""

from typing import TYPE_CHECKING

from tasks.errors import TidemillError

if TYPE_CHECKING:
    import torch

ADAPTED = ("query", "value", "q_lin", "v_lin", "q_proj", "v_proj")
"""What transformers call the two projections that Hu et al. found best to adapt."""
SCALE = 2.0
"""alpha / rank of the paper."""


def adapt(model: "torch.nn.Module", rank: int) -> None:
    """Freeze the encoder, give its query and value projections a change of that rank, leave the head to be trained."""
    import torch
    from torch.nn.utils import parametrize

    class LowRank(torch.nn.Module):
        def __init__(self, rows: int, columns: int) -> None:
            super().__init__()
            self.down = torch.nn.Parameter(torch.randn(rank, columns) / columns**0.5)
            self.up = torch.nn.Parameter(torch.zeros(rows, rank))

        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight + SCALE * (self.up @ self.down)

    encoder: torch.nn.Module = model.encoder  # type: ignore[assignment]
    encoder.requires_grad_(False)
    found = [
        module
        for name, module in encoder.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] in ADAPTED
    ]
    if not found:
        raise TidemillError(
            "federate.partial: lora finds no attention that it knows in this base model; use full or head"
        )
    for module in found:
        parametrize.register_parametrization(module, "weight", LowRank(*module.weight.shape))


def merge(model: "torch.nn.Module") -> None:
    """Add the changes to the weights for good: the model is a plain one again."""
    from torch.nn.utils import parametrize

    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
