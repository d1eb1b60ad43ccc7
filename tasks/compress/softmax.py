"""Scores to probabilities, as the last operation of what is exported."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def with_softmax(model: "torch.nn.Module") -> "torch.nn.Module":
    """The model in evaluation mode, giving the probability of each class in place of its scores."""
    import torch

    class Probabilities(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.model(*inputs), dim=-1)

    return Probabilities().eval()
