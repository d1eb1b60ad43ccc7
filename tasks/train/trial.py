"""A training that leaves nothing behind: what a probe times, and what benchmarks compare."""

import contextlib
import importlib
import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tasks.recipe import Recipe
from tasks.train.hardware import chosen, make_deterministic
from tasks.train.loop import Training
from tasks.train.run import plan

if TYPE_CHECKING:
    import torch


def trained(
    recipe: Recipe, base_model: Path, rows: pd.DataFrame, validation: pd.DataFrame
) -> "tuple[torch.nn.Module, float]":
    """The model as the recipe trains it on `rows`, the best of its validations, and the seconds that it took.

    Without validation rows every validation is as good as the first one, so that the first one's weights are kept: then
    only the seconds mean something, and `train.validations_per_epoch` has to be 1.
    """
    make_deterministic(recipe.seed, recipe.threads, recipe.train.deterministic)
    kind = importlib.import_module(f"tasks.train.{recipe.kind}")
    examples, held_back = (kind.examples(part, recipe, base_model) for part in (rows, validation))
    training = Training(kind.model(recipe, base_model), plan(recipe, chosen(recipe.train.precision)), len(rows))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        training.train(examples, held_back, Path(folder) / "state", "", lambda _step, _figures: None)
        return training.model.eval(), time.perf_counter() - started
