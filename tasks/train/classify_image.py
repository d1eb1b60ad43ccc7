"""Image classification: a convolutional network from nothing, or a pretrained one with a fresh last layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import image_model, images, model_files
from tasks.recipe import Augment, Recipe
from tasks.train.batches import Batch
from tasks.train.image_variation import varied
from tasks.train.targets import targets

if TYPE_CHECKING:
    import torch

KEPT_BYTES = 2**30
"""Pixels of so many bytes are decoded once and kept; more are decoded batch by batch."""


@dataclass(frozen=True)
class ImageExamples:
    """Images (bytes, and their pixels where they fit into memory) and target shares (rows x classes)."""

    contents: list[bytes]
    pixels: images.Pixels | None
    targets: NDArray[np.float32]
    lengths: list[int]
    size: int
    mode: str
    augment: Augment

    def batch(self, positions: Sequence[int], random: np.random.Generator | None) -> Batch:
        """Pixels (rows x size x size x channels, uint8) with targets; with `random` varied as the recipe says."""
        rows = list(positions)
        if self.pixels is not None:
            pixels = self.pixels[rows]
        else:
            pixels = images.batch([self.contents[row] for row in rows], self.size, self.mode)
        if random is not None:
            pixels = varied(pixels, self.augment, random)
        return Batch((pixels,), self.targets[rows])


def examples(records: pd.DataFrame, recipe: Recipe, base_model: Path) -> ImageExamples:
    """The records as pixels with targets: the consensus class, or the raters' shares (`train.targets: soft`)."""
    form = input_form(recipe, base_model)
    contents = records["image"].tolist()
    whole = len(contents) * form["size"] ** 2 * images.CHANNELS[form["mode"]] <= KEPT_BYTES
    pixels = images.batch(contents, form["size"], form["mode"]) if whole else None
    shares = targets(records, recipe)
    return ImageExamples(
        contents, pixels, shares, [1] * len(contents), form["size"], form["mode"], recipe.train.augment
    )


def input_form(recipe: Recipe, base_model: Path) -> dict[str, Any]:
    """Size and mode of the model's input."""
    return dict(config(recipe, base_model)["images"])


def config(recipe: Recipe, base_model: Path) -> dict[str, Any]:
    """What the network is built from: the recipe's `images`, and the base model's own files where there is one."""
    wanted = recipe.train.images.model_dump()
    if recipe.train.base_model is None:
        return image_model.from_nothing(wanted)
    return image_model.of_base(base_model, wanted)


def model(recipe: Recipe, base_model: Path) -> "torch.nn.Module":
    """The network for the recipe's classes; what is not the base model's is drawn from torch's own generator."""
    made = image_model.classifier(config(recipe, base_model), len(recipe.labels.classes))
    if recipe.train.base_model is not None:
        image_model.load_base(made, base_model)
    return made


def save(trained: "torch.nn.Module", recipe: Recipe, base_model: Path, folder: Path) -> None:
    """Weights and configuration into `folder`."""
    described = {**config(recipe, base_model), "classes": list(recipe.labels.classes)}
    model_files.save(trained, folder, described)
