"""Answers that are class probabilities, before the gate: those of the challenger, the champion and the simplest rule."""

import numpy as np
import pandas as pd

from tasks.inference import Model
from tasks.metrics.classes import METRICS, contributions
from tasks.progress import progress
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN
from tasks.release.contest import Answers, Contest
from tasks.statistics import FloatArray, IntArray, calibration_gaps

ANSWER_COLUMNS = ("predicted", "confidence")
"""Of predictions.parquet: what the challenger answered."""

TRUTH_COLUMNS = ("label",)
"""Of the split's tables: what should have been answered."""

SIMPLEST = "the majority class"
"""What a first version has to be better than."""


def contest(rows: pd.DataFrame, champion: Model, recipe: Recipe) -> Contest:
    """The challenger's answers, which `rows` hold, against those that the champion gives to the same contents."""
    # A class that the champion knows and the recipe no longer does is an answer that is never right.
    classes = tuple(dict.fromkeys((*recipe.labels.classes, *champion.classes)))
    with progress("asking the champion", len(rows)) as report:
        probabilities = champion.probabilities(rows[CONTENT_COLUMN[recipe.kind]].tolist(), report)
    names = pd.Series(np.array(champion.classes, dtype=object)[probabilities.argmax(axis=1)], dtype="str")
    return _contest(rows, classes, names, probabilities.max(axis=1).astype(np.float64))


def against_simplest(rows: pd.DataFrame, train: pd.DataFrame, recipe: Recipe) -> Contest:
    """The challenger's answers against the class that is most frequent in training, of which TRUTH_COLUMNS are read."""
    majority = pd.Series(train["label"].mode()[0], index=rows.index)
    return _contest(rows, recipe.labels.classes, majority, np.ones(len(rows)))


def _contest(rows: pd.DataFrame, classes: tuple[str, ...], names: "pd.Series[str]", confidence: FloatArray) -> Contest:
    truth, n_classes = class_numbers(rows["label"], classes), len(classes)
    sure = rows["confidence"].to_numpy(dtype=np.float64)
    challenger = answers(truth, class_numbers(rows["predicted"], classes), sure, n_classes)
    return Contest(METRICS, challenger, answers(truth, class_numbers(names, classes), confidence, n_classes))


def answers(truth: IntArray, predicted: IntArray, confidence: FloatArray, n_classes: int) -> Answers:
    """Numbers of the true and the most probable classes, and the latter's probability, as the gate sees them."""
    return Answers(contributions(truth, predicted, n_classes), calibration_gaps(predicted == truth, confidence))


def class_numbers(names: "pd.Series[str]", classes: tuple[str, ...]) -> IntArray:
    """Class names as positions in `classes`."""
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(names)), dtype=np.int64)
