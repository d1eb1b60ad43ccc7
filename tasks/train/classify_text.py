"""Text classification: a pretrained transformer, mean pooling, one linear layer, cross-entropy."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import storage, text_model, tokens
from tasks.errors import PromiseError
from tasks.recipe import Recipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TextExamples:
    """Token ids and target shares (rows x classes) of the examples."""

    rows: list[list[int]]
    targets: NDArray[np.float32]
    lengths: list[int]

    def loss(self, model: "torch.nn.Module", positions: list[int], device: str) -> "torch.Tensor":
        """Mean cross-entropy of the rows at `positions` against their target shares."""
        import torch

        ids, mask = tokens.padded([self.rows[index] for index in positions])
        logits = model(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
        targets = torch.from_numpy(self.targets[positions]).to(device)
        return torch.nn.functional.cross_entropy(logits.float(), targets)


def examples(records: pd.DataFrame, recipe: Recipe, base_model: Path) -> TextExamples:
    """The records as token ids with targets: the consensus class, or the raters' shares (`train.targets: soft`)."""
    rows = tokens.encoded(tokens.tokenizer(base_model, recipe.train.max_tokens), records["text"].tolist())
    return TextExamples(rows, targets(records, recipe), [len(row) for row in rows])


def targets(records: pd.DataFrame, recipe: Recipe) -> NDArray[np.float32]:
    """Target share of each class, rows x classes, each row summing to 1."""
    classes = recipe.labels.classes
    if recipe.train.targets == "soft":
        return records[[f"share_{name}" for name in classes]].to_numpy(np.float32)
    positions = pd.Index(classes).get_indexer(pd.Index(records["label"]))
    if (positions < 0).any():
        unknown = sorted(set(records["label"][positions < 0]))
        raise PromiseError(f"split: labels {unknown} are none of the recipe's classes {list(classes)}")
    return np.eye(len(classes), dtype=np.float32)[positions]


def model(recipe: Recipe, base_model: Path) -> "torch.nn.Module":
    """The pretrained encoder with a fresh head for the recipe's classes."""
    return text_model.from_base(base_model, len(recipe.labels.classes))


def save(trained: "torch.nn.Module", recipe: Recipe, base_model: Path, folder: Path) -> None:
    """Weights, configuration and tokenizer into `folder`."""
    config: dict[str, Any] = storage.read_json(base_model / text_model.CONFIG)
    described = {**config, "classes": list(recipe.labels.classes), "max_tokens": recipe.train.max_tokens}
    text_model.save(trained, folder, described)
    storage.write_bytes(folder / text_model.TOKENIZER, (base_model / text_model.TOKENIZER).read_bytes())
