"""Metrics of numbers beside the true ones: correlation, explained variance, root mean square and mean absolute error.

Sums of squares lose digits to numbers that lie far from zero: take the middle of the scale off both first.
"""

from collections.abc import Mapping

import numpy as np

from tasks.metrics.metric import Metric
from tasks.statistics import FloatArray


def contributions(truth: FloatArray, answers: FloatArray) -> FloatArray:
    """What each row adds to the metrics, rows by 7: one, truth, answer, their squares and product, absolute error."""
    parts = [np.ones_like(truth), truth, answers, truth**2, answers**2, truth * answers, np.abs(truth - answers)]
    return np.column_stack(parts).astype(np.float64)


def _deviations(totals: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums of squared deviations of the truth and of the answers, and of their product."""
    rows, truth, answers, truth2, answers2, both, _ = np.moveaxis(totals, -1, 0)
    return truth2 - truth**2 / rows, answers2 - answers**2 / rows, both - truth * answers / rows


def _pearson_r(totals: FloatArray) -> FloatArray:
    """Pearson's correlation; 0 where truth or answers do not vary."""
    truth, answers, both = _deviations(totals)
    spread = np.sqrt(np.maximum(truth, 0) * np.maximum(answers, 0))
    varies = spread > 1e-9 * np.maximum(totals[..., 0], 1)
    return np.asarray(np.where(varies, both / np.where(varies, spread, 1), 0.0).clip(-1, 1))


def _squared_errors(totals: FloatArray) -> FloatArray:
    _, _, _, truth2, answers2, both, _ = np.moveaxis(totals, -1, 0)
    return np.asarray(np.maximum(truth2 + answers2 - 2 * both, 0))


def _r2(totals: FloatArray) -> FloatArray:
    """The coefficient of determination; 0 where the truth does not vary."""
    truth, _, _ = _deviations(totals)
    varies = truth > 1e-9 * np.maximum(totals[..., 0], 1)
    return np.asarray(np.where(varies, 1 - _squared_errors(totals) / np.where(varies, truth, 1), 0.0))


def _rmse(totals: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(_squared_errors(totals) / totals[..., 0]))


def _mae(totals: FloatArray) -> FloatArray:
    return np.asarray(totals[..., 6] / totals[..., 0])


METRICS: Mapping[str, Metric] = {
    "r": Metric(_pearson_r),
    "r2": Metric(_r2),
    "rmse": Metric(_rmse, higher_is_better=False),
    "mae": Metric(_mae, higher_is_better=False),
}
"""Each metric of summed contributions; the errors are in the unit of the truth."""
