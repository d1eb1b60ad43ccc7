"""Parity of answers that are class probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.recipe import Parity, Recipe
from tasks.release.closeness import Closeness

Probabilities = NDArray[np.floating[Any]]
"""Probes by the recipe's classes."""


def evaluated_columns(recipe: Recipe) -> list[str]:
    """Where predictions.parquet keeps the probability of each class of the recipe."""
    return [f"p_{name}" for name in recipe.labels.classes]


def expected(probes: pd.DataFrame, recipe: Recipe) -> Probabilities:
    """What the model was evaluated to answer."""
    return np.asarray(probes[evaluated_columns(recipe)].to_numpy())


def answered(predictions: Sequence[Mapping[str, Any]], recipe: Recipe) -> Probabilities:
    """What the endpoint answers. Raises KeyError, ValueError or TypeError when a prediction says something else."""
    classes = recipe.labels.classes
    return np.array([[float(found["probabilities"][name]) for name in classes] for found in predictions])


def compared(evaluated: Probabilities, found: Probabilities, budget: Parity) -> Closeness:
    """Whether two tables are as close as the budget asks: every probability, and the share of equal classes."""
    largest = float(np.abs(evaluated - found).max())
    equal = float((evaluated.argmax(1) == found.argmax(1)).mean())
    passed = largest <= budget.largest_difference and equal >= budget.equal_classes
    words = (
        f"largest difference {largest:.4f} (allowed {budget.largest_difference:g}), "
        f"the same class in {equal:.1%} (wanted {budget.equal_classes:.1%})"
    )
    return Closeness(passed, largest, equal, words)
