"""How good a compressed classifier is: weighted F1 on records with labels."""

import numpy as np
import pandas as pd

from tasks.inference import Model
from tasks.metrics.classes import weighted_f1
from tasks.progress import Report
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN

METRIC, METRIC_NAME = "weighted_f1", "weighted F1"
"""What int8 may lose a little of: a key of model.json, and how people call it. More is better."""


def score(model: Model, records: pd.DataFrame, recipe: Recipe, report: Report) -> float:
    """Weighted F1 of the model on the records."""
    predicted = model.probabilities(records[CONTENT_COLUMN[recipe.kind]].tolist(), report).argmax(1)
    truth = pd.Index(recipe.labels.classes).get_indexer(pd.Index(records["label"]))
    return float(weighted_f1(np.asarray(truth), predicted, len(model.classes)))
