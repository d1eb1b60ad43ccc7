"""Text classification: a pretrained transformer, mean pooling, one linear layer, cross-entropy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import model_files, storage, text_model, tokens
from tasks.recipe import Recipe
from tasks.train.batches import Batch
from tasks.train.targets import targets

if TYPE_CHECKING:
    import torch

SPECIAL = 2
"""Tokens of a text that are no words: the first and the last."""


@dataclass(frozen=True)
class TextExamples:
    """Token ids and target shares (rows x classes) of the examples."""

    ids: list[list[int]]
    targets: NDArray[np.float32]
    lengths: list[int]
    word_dropout: float

    def batch(self, positions: Sequence[int], random: np.random.Generator | None) -> Batch:
        """Token ids and attention masks (rows x longest) with targets; with `random` some tokens are left out."""
        rows = [self.ids[index] for index in positions]
        if random is not None and self.word_dropout:
            rows = [_thinned(row, self.word_dropout, random) for row in rows]
        return Batch(tokens.padded(rows), self.targets[list(positions)])


def _thinned(row: list[int], share: float, random: np.random.Generator) -> list[int]:
    """The row without a random share of its inner tokens; at least one stays."""
    if len(row) <= SPECIAL + 1:
        return row
    kept = random.random(len(row)) >= share
    kept[[0, 1, -1]] = True
    return [token for token, stays in zip(row, kept, strict=True) if stays]


def examples(records: pd.DataFrame, recipe: Recipe, base_model: Path) -> TextExamples:
    """The records as token ids with targets: the consensus class, or the raters' shares (`train.targets: soft`)."""
    rows = tokens.encoded(tokens.tokenizer(base_model, recipe.train.max_tokens), records["text"].tolist())
    return TextExamples(rows, targets(records, recipe), [len(row) for row in rows], recipe.train.augment.word_dropout)


def model(recipe: Recipe, base_model: Path) -> "torch.nn.Module":
    """The pretrained encoder with a fresh head for the recipe's classes."""
    made = text_model.from_base(base_model, len(recipe.labels.classes))
    if recipe.train.recompute:
        made.encoder.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator, union-attr]
    return made


def save(trained: "torch.nn.Module", recipe: Recipe, base_model: Path, folder: Path) -> None:
    """Weights, configuration and tokenizer into `folder`."""
    config: dict[str, Any] = storage.read_json(base_model / model_files.CONFIG)
    described = {**config, "classes": list(recipe.labels.classes), "max_tokens": recipe.train.max_tokens}
    model_files.save(trained, folder, described)
    storage.write_bytes(folder / text_model.TOKENIZER, (base_model / text_model.TOKENIZER).read_bytes())
