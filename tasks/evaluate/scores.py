"""The figures of metrics.json: everybody's metrics with intervals, overall and by slice, and the differences."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from tasks.evaluate.answers import Answers
from tasks.evaluate.humans import Humans
from tasks.metrics.classes import METRICS, confusion, interval, paired_difference
from tasks.slices import slice_names
from tasks.statistics import FloatArray, Resampling, ece_interval, percentiles, replicates

DIGITS = 6

Figures = dict[str, Any]
"""Nested figures, keys are words: what `dvc metrics diff` can show."""


def everybody(answers: Answers, resampling: Resampling) -> Figures:
    """The metrics of the model, its forms and each baseline; for those with probabilities the calibration error."""
    figures: Figures = {
        name: {metric: asdict(interval(answers.truth, predicted, metric, resampling)) for metric in METRICS}
        for name, predicted in answers.by_name.items()
    }
    for name, probabilities in answers.forms.items():
        right = probabilities.argmax(axis=1) == answers.truth
        figures[name]["ece"] = asdict(ece_interval(right, probabilities.max(axis=1), resampling))
    figures["model"]["ece"] = figures[answers.served]["ece"]
    return figures


def differences(answers: Answers, resampling: Resampling) -> Figures:
    """Model minus each other one, for every metric, on the same resamples."""
    how = (resampling.samples, resampling.confidence, resampling.seed)
    return {
        name: {
            metric: asdict(paired_difference(answers.truth, answers.predicted, predicted, metric, *how))
            for metric in METRICS
        }
        for name, predicted in answers.by_name.items()
        if name not in ("model", answers.served)
    }


def by_slice(answers: Answers, names: pd.Series, resampling: Resampling) -> Figures:
    """Rows and everybody's metrics in each slice, in the order of reading."""
    figures: Figures = {}
    for name in slice_names(names):
        rows = (names == name).to_numpy()
        figures[name] = {"rows": int(rows.sum()), **everybody(answers.of(rows), resampling)}
    return figures


def confusion_shares(answers: Answers, resampling: Resampling) -> Figures:
    """For each true class and each predicted one: rows, and their share of the true class with its interval."""
    n_classes = len(answers.classes)
    counts = confusion(answers.truth, answers.predicted, n_classes)

    def shares(totals: FloatArray) -> FloatArray:
        cells = totals.reshape(*totals.shape[:-1], n_classes, n_classes)
        return np.asarray(cells / np.maximum(cells.sum(axis=-1, keepdims=True), 1))

    one_hot = np.eye(n_classes**2)[answers.truth * n_classes + answers.predicted]
    low, high = percentiles(replicates(one_hot, shares, resampling), resampling.confidence)
    estimate = shares(counts.ravel().astype(np.float64))
    return {
        true: {
            guess: {"rows": int(counts[i, j]), "estimate": estimate[i, j], "low": low[i, j], "high": high[i, j]}
            for j, guess in enumerate(answers.classes)
        }
        for i, true in enumerate(answers.classes)
    }


def metrics(
    answers: Answers,
    slices: Mapping[str, pd.Series],
    people: Humans,
    sizes: Mapping[str, int],
    resampling: Resampling,
) -> Figures:
    """All of metrics.json; `sizes`: bytes by file name. Without a comparison "humans" is empty."""
    domains = slices["domain"]
    figures = {
        "rows": len(answers.truth),
        "overall": everybody(answers, resampling),
        "slices": {way: by_slice(answers, names, resampling) for way, names in slices.items()},
        "differences": {
            "overall": differences(answers, resampling),
            "domain": {
                name: differences(answers.of((domains == name).to_numpy()), resampling) for name in slice_names(domains)
            },
        },
        "confusion": confusion_shares(answers, resampling),
        "humans": asdict(people) if people.overall else {},
        "bytes": dict(sizes),
    }
    return {key: rounded(value) for key, value in figures.items()}


def rounded(value: Any) -> Any:
    """The same figures with at most six decimals."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return round(float(value), DIGITS) + 0.0 if isinstance(value, float) else value
