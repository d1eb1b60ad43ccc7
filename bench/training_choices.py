"""What choices of a recipe's training bring: another start, varied examples, and what repeatability costs. Three seeds.

    python bench/training_choices.py texts data/feedback
    python bench/training_choices.py images train.parquet test.parquet --base FOLDER
    python bench/training_choices.py augment train.parquet test.parquet
    python bench/training_choices.py deterministic train.parquet test.parquet

`texts`: product reviews from the recipe's base model, or from a model that was trained on film reviews before, by the
number of labels. `images`: a network from nothing, or EfficientNet-lite0 (`--base`: data/<recipe>/base_model), on tables
with `image` and `label`. A tenth of the labels validates, everywhere. `augment`: the same network with and without variation of its examples (crop 4, flip).
`deterministic`: seconds a training with and without. Each line has the accuracies of the seeds on the same test rows.
"""

import argparse
import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks import storage
from tasks.markdown import table
from tasks.paths import Paths, project_root
from tasks.recipe import Augment, Images, Recipe, load
from tasks.train.trial import trained

SEEDS = (1, 2, 3)
TEST = 2000
LABELS = {"texts": (100, 250, 500, 1000, 2500), "images": (250, 1000, 4000)}
SOURCE, TARGET = "films", "products"
SEVERAL = 32
VALIDATES = 10
"""One of so many rows with labels."""


@dataclass(frozen=True)
class Data:
    """Training rows in a random order, and test rows."""

    train: pd.DataFrame
    test: pd.DataFrame


def learned(recipe: Recipe, base: Path, rows: pd.DataFrame, seed: int) -> tuple[Any, float]:
    """The model and the seconds of its training; a tenth of the rows (in random order) validates, as a user would do it."""
    validation = len(rows) // VALIDATES
    return trained(recipe.model_copy(update={"seed": seed}), base, rows[validation:], rows[:validation])


def accuracy(model: Any, recipe: Recipe, base: Path, test: pd.DataFrame) -> float:
    """The share of the test rows that the model gets right."""
    import torch

    kind = importlib.import_module(f"tasks.train.{recipe.kind}")
    held_out = kind.examples(test, recipe, base)
    with torch.inference_mode():
        batches = [held_out.batch(range(at, min(at + SEVERAL, len(test))), None) for at in range(0, len(test), SEVERAL)]
        scores = [model(*map(torch.from_numpy, batch.inputs)).argmax(1).numpy() for batch in batches]
    return float((np.concatenate(scores) == held_out.targets.argmax(1)).mean())


def compared(
    data: Data, sizes: tuple[int, ...], ways: dict[str, Callable[[pd.DataFrame, int], tuple[float, float]]]
) -> list[tuple[str, ...]]:
    """A row for each number of labels and each way: mean, each seed, seconds."""
    rows = []
    for size in sizes:
        for name, way in ways.items():
            found = [way(data.train.sample(frac=1, random_state=seed).head(size), seed) for seed in SEEDS]
            right = [accuracy for accuracy, _ in found]
            each = ", ".join(f"{value:.3f}" for value in right)
            seconds = np.mean([took for _, took in found])
            rows.append((f"{size:,}", name, f"{np.mean(right):.3f}", each, f"{seconds:.0f}"))
            print(rows[-1], flush=True)
    return rows


def way(recipe: Recipe, base: Path, test: pd.DataFrame) -> Callable[[pd.DataFrame, int], tuple[float, float]]:
    """Training as this recipe says, from this base model."""

    def run(rows: pd.DataFrame, seed: int) -> tuple[float, float]:
        model, seconds = learned(recipe, base, rows, seed)
        return accuracy(model, recipe, base, test), seconds

    return run


def with_train(recipe: Recipe, **values: Any) -> Recipe:
    """The recipe with other knobs of its training."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=values)})


def texts(said: argparse.Namespace, recipe: Recipe) -> list[tuple[str, ...]]:
    """From the recipe's base model, and from one that has learned film reviews."""
    paths = Paths(said.files[0].resolve().parents[1], recipe.name)
    parts = {part: storage.read_table(paths.stage("split") / f"{part}.parquet") for part in ("train", "test")}
    of = {part: {name: rows[rows["domain"] == name] for name in (SOURCE, TARGET)} for part, rows in parts.items()}
    recipe = with_train(recipe, epochs=2)
    own = Path(said.scratch) / SOURCE
    films = of["train"][SOURCE].sample(frac=1, random_state=SEEDS[0])
    first, seconds = learned(with_train(recipe, epochs=1), paths.base_model, films, SEEDS[0])
    importlib.import_module("tasks.train.classify_text").save(first, recipe, paths.base_model, own)
    print(f"{len(films):,} film reviews taught the other start in {seconds:.0f} s", flush=True)
    test = of["test"][TARGET]
    starts = {"the recipe's base model": paths.base_model, "taught by film reviews": own}
    ways = {name: way(recipe, base, test) for name, base in starts.items()}
    return compared(Data(of["train"][TARGET], test), LABELS["texts"], ways)


def pictures(said: argparse.Namespace, recipe: Recipe) -> tuple[Data, Recipe]:
    """The tables of images, and the recipe with their classes."""
    train, test = (pd.read_parquet(file)[["image", "label"]] for file in said.files)
    labels = recipe.labels.model_copy(update={"classes": tuple(sorted(set(train["label"])))})
    return Data(train, test.sample(TEST, random_state=0)), recipe.model_copy(update={"labels": labels})


def images(said: argparse.Namespace, recipe: Recipe) -> list[tuple[str, ...]]:
    """A network from nothing, and one that has learned ImageNet."""
    data, recipe = pictures(said, recipe)
    nothing = with_train(recipe, epochs=20)
    knobs = {"epochs": 3, "learning_rate": 5e-4, "images": Images(size=96), "batch_size": 64}
    origin = {"base_model": {"url": "file:lite0", "sha256": "0" * 64, "architecture": "efficientnet_lite0"}}
    start = Recipe.model_validate(
        {**recipe.model_dump(by_alias=True), "train": {**nothing.train.model_dump(), **knobs, **origin}}
    )
    ways = {"from nothing, 20 epochs": way(nothing, Path(said.scratch), data.test)}
    ways["EfficientNet-lite0, 3 epochs"] = way(start, said.base, data.test)
    return compared(data, LABELS["images"], ways)


def augment(said: argparse.Namespace, recipe: Recipe) -> list[tuple[str, ...]]:
    """The same network with and without variation of its examples."""
    data, recipe = pictures(said, recipe)
    recipe = with_train(recipe, epochs=10)
    varied = {
        "as they are": Augment(),
        "crop 4, flip": Augment(crop=4, flip=True),
        "crop 4, flip, RandAugment 5": Augment(crop=4, flip=True, randaugment=5),
    }
    ways = {name: way(with_train(recipe, augment=one), Path(said.scratch), data.test) for name, one in varied.items()}
    return compared(data, (4000,), ways)


def deterministic(said: argparse.Namespace, recipe: Recipe) -> list[tuple[str, ...]]:
    """The same training with and without the demand that it repeats itself bit for bit."""
    data, recipe = pictures(said, recipe)
    recipe = with_train(recipe, epochs=3)
    ways = {str(on): way(with_train(recipe, deterministic=on), Path(said.scratch), data.test) for on in (True, False)}
    return compared(data, (4000,), ways)


PARTS = {"texts": texts, "images": images, "augment": augment, "deterministic": deterministic}


def main() -> None:
    """Print the table of one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    said = parser.parse_args()
    name = "feedback" if said.part == "texts" else "cifar10"
    recipe = load(project_root() / "recipes" / f"{name}.yaml").model_copy(update={"threads": said.threads})
    with tempfile.TemporaryDirectory() as said.scratch:
        rows = PARTS[said.part](said, recipe)
    print(table(["labels", "", "accuracy", "each seed", "seconds"], rows))


if __name__ == "__main__":
    main()
