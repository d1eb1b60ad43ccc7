"""What a classifier is trained towards."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import PromiseError
from tasks.recipe import Recipe


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
