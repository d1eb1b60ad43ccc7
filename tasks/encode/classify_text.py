"""Texts as token ids and attention masks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import text_model, tokens

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

FILES = ("tokenizer.json",)
"""What has to lie beside the model's file."""

FORM = "max_tokens"
"""What model.json has to tell."""


@dataclass(frozen=True)
class Encoder:
    """A tokenizer, as every kind's encoder is used: contents to rows, rows to batches, batches to inputs."""

    tokenizer: "Tokenizer"
    apart: bool = True
    """Quantised activations are scaled by the largest value in the pass."""

    def rows(self, contents: Sequence[str]) -> list[list[int]]:
        """The token ids of each text."""
        return tokens.encoded(self.tokenizer, contents)

    def grouped(self, rows: Sequence[list[int]], size: int) -> Iterator[list[int]]:
        """Positions of rows of like length, at most `size` together."""
        return tokens.by_length(rows, size)

    def inputs(self, rows: Sequence[list[int]]) -> dict[str, Any]:
        """What the model takes: `input_ids` and `attention_mask`, rows x longest."""
        ids, mask = tokens.padded(rows)
        return {"input_ids": ids, "attention_mask": mask}


def encoder(folder: Path, description: Mapping[str, Any]) -> Encoder:
    """The encoder of the model in `folder` (with tokenizer.json), which model.json describes (`max_tokens`)."""
    return Encoder(tokens.tokenizer(folder, description["max_tokens"]))


def network(folder: Path) -> "torch.nn.Module":
    """The trained model in `folder` in torch: it takes what `Encoder.inputs` gives, by name, and returns a tuple."""
    return text_model.answering(folder)
