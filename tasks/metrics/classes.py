"""Metrics of classes beside the true ones: weighted F1, macro F1, accuracy."""

import numpy as np

from tasks.metrics.metric import Metric
from tasks.statistics import Difference, FloatArray, IntArray, Interval, Resampling, bootstrap, paired_bootstrap


def confusion(truth: IntArray, predicted: IntArray, n_classes: int) -> IntArray:
    """Counts, classes by classes: row = true class, column = predicted class."""
    return np.bincount(truth * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def contributions(truth: IntArray, predicted: IntArray, n_classes: int) -> FloatArray:
    """What each row adds to the metrics, rows by 3 * classes: was hit, was true, was predicted (one-hot each)."""
    one_hot = np.eye(n_classes)
    return np.hstack([one_hot[truth] * one_hot[predicted], one_hot[truth], one_hot[predicted]])


def _f1_by_class(totals: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """F1, true rows, and true plus predicted rows of each class, from summed contributions."""
    hits, actual, guessed = np.split(totals, 3, axis=-1)
    mentions = actual + guessed
    return 2 * hits / np.where(mentions > 0, mentions, 1), actual, mentions


def _weighted_f1(totals: FloatArray) -> FloatArray:
    f1, actual, _ = _f1_by_class(totals)
    return np.asarray((f1 * actual).sum(axis=-1) / actual.sum(axis=-1))


def _macro_f1(totals: FloatArray) -> FloatArray:
    f1, _, mentions = _f1_by_class(totals)
    return np.asarray(f1.sum(axis=-1) / (mentions > 0).sum(axis=-1))


def _accuracy(totals: FloatArray) -> FloatArray:
    hits, actual, _ = np.split(totals, 3, axis=-1)
    return np.asarray(hits.sum(axis=-1) / actual.sum(axis=-1))


METRICS: dict[str, Metric] = {
    "weighted_f1": Metric(_weighted_f1),
    "macro_f1": Metric(_macro_f1),
    "accuracy": Metric(_accuracy, counts=True),
}
"""Each metric of summed contributions."""


def accuracy(truth: IntArray, predicted: IntArray) -> float:
    """The share of rows that were predicted right."""
    return float(np.mean(truth == predicted))


def weighted_f1(truth: IntArray, predicted: IntArray, n_classes: int) -> float:
    """The mean of the classes' F1, each weighted by its true rows; a class without rows counts nothing."""
    return float(_weighted_f1(contributions(truth, predicted, n_classes).sum(axis=0)))


def macro_f1(truth: IntArray, predicted: IntArray, n_classes: int) -> float:
    """The plain mean of the F1 of the classes that occur in `truth` or `predicted`."""
    return float(_macro_f1(contributions(truth, predicted, n_classes).sum(axis=0)))


def interval(
    truth: IntArray, predicted: IntArray, metric: str, resampling: Resampling, stratified: bool = False
) -> Interval:
    """The metric with its interval; `stratified` keeps the number of rows of each true class in every resample."""
    rows = contributions(truth, predicted, _n_classes(truth, predicted))
    return bootstrap(rows, METRICS[metric].statistic, resampling, truth if stratified else None)


def paired_difference(  # noqa: PLR0913, PLR0917 (three answers and how to compare them)
    truth: IntArray,
    first: IntArray,
    second: IntArray,
    metric: str,
    samples: int,
    confidence: float,
    seed: int,
) -> Difference:
    """How much better `first` is than `second`: both see the same rows in every resample.

    Raises ValueError when there are no rows.
    """
    n_classes = _n_classes(truth, first, second)
    resampling = Resampling(samples, confidence, seed)
    return paired_bootstrap(
        contributions(truth, first, n_classes),
        contributions(truth, second, n_classes),
        METRICS[metric].statistic,
        resampling,
    )


def _n_classes(*codes: IntArray) -> int:
    return 1 + max((int(code.max()) for code in codes if code.size), default=0)
