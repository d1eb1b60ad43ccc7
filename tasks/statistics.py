"""Bootstrap intervals of metrics, and the calibration error: pure functions of arrays and a seed.

Every metric (tasks/metrics) is a function of sums over rows, so one bootstrap serves them all: rows that contribute the
same are merged, and a resample of rows is one multinomial draw of how often each kind of row occurs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], FloatArray]
"""From sums over rows (..., columns) to values (...)."""

CALIBRATION_BINS = 15
"""Guo et al. 2017 use fifteen."""

LARGEST_DRAW = 2**22
"""Counts drawn at once (8 bytes each): bounds the memory of many resamples of many rows."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13)."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """The first minus the second, both measured on the same resamples."""

    @property
    def shown(self) -> bool:
        """Whether the first is better: the whole interval lies above zero."""
        return self.low > 0


@dataclass(frozen=True)
class Resampling:
    """How often to resample, how wide the interval is (0.95: 95 %), and the seed of all of it."""

    samples: int
    confidence: float
    seed: int


def paired_bootstrap(first: FloatArray, second: FloatArray, statistic: Statistic, resampling: Resampling) -> Difference:
    """The difference of a statistic of two tables whose rows belong together."""
    difference = bootstrap(
        np.hstack([first, second]),
        lambda totals: statistic(totals[..., : first.shape[1]]) - statistic(totals[..., first.shape[1] :]),
        resampling,
    )
    return Difference(difference.estimate, difference.low, difference.high)


def bootstrap(
    rows: FloatArray, statistic: Statistic, resampling: Resampling, strata: IntArray | None = None
) -> Interval:
    """A statistic of the rows' sums with its percentile interval. Raises ValueError when there are no rows."""
    values = replicates(rows, statistic, resampling, strata)
    low, high = percentiles(values, resampling.confidence)
    return Interval(float(statistic(rows.sum(axis=0))), float(low), float(high))


def percentiles(values: FloatArray, confidence: float) -> FloatArray:
    """The two ends (first axis) of the central `confidence` of the replicates (first axis of `values`)."""
    return np.asarray(np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0))


def replicates(
    rows: FloatArray, statistic: Statistic, resampling: Resampling, strata: IntArray | None = None
) -> FloatArray:
    """The statistic of each resample (first axis); with strata, each keeps its number of rows."""
    if not len(rows):
        raise ValueError("no rows to resample")
    rng = np.random.default_rng(resampling.seed)
    groups = [rows] if strata is None else [rows[strata == stratum] for stratum in np.unique(strata)]
    parts: Sequence[FloatArray] = [_resampled_totals(group, resampling.samples, rng) for group in groups]
    return statistic(np.sum(parts, axis=0))


def _resampled_totals(rows: FloatArray, samples: int, rng: np.random.Generator) -> FloatArray:
    """Sums over the rows of each resample, samples by columns."""
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    shares = counts / len(rows)
    step = max(1, LARGEST_DRAW // len(kinds))
    sizes = [min(step, samples - start) for start in range(0, samples, step)]
    return np.concatenate([rng.multinomial(len(rows), shares, size=size) @ kinds for size in sizes])


def calibration_bin(confidence: NDArray[Any]) -> IntArray:
    """The bin (0 to 14) of each top-label confidence: bin m holds (m / 15, (m + 1) / 15]."""
    bins = np.ceil(np.asarray(confidence, dtype=np.float64) * CALIBRATION_BINS).astype(np.int64) - 1
    return np.clip(bins, 0, CALIBRATION_BINS - 1)


def calibration_gaps(right: NDArray[np.bool_], confidence: NDArray[Any]) -> FloatArray:
    """What each row adds to the calibration error, rows by bins: being right (1 or 0) minus confidence, in its bin."""
    gaps = right.astype(np.float64) - confidence
    return np.asarray(np.eye(CALIBRATION_BINS)[calibration_bin(confidence)] * gaps[:, None])


def ece(right: NDArray[np.bool_], confidence: NDArray[Any]) -> float:
    """Expected calibration error of the top label, 15 equal-width bins (Guo et al. 2017, equation 3)."""
    return float(np.abs(calibration_gaps(right, confidence).sum(axis=0)).sum() / len(right))


def ece_interval(right: NDArray[np.bool_], confidence: NDArray[Any], resampling: Resampling) -> Interval:
    """The calibration error with its interval, which leans upward: resampling adds noise, and noise adds error."""
    gaps = calibration_gaps(right, confidence)
    return bootstrap(gaps, lambda totals: np.asarray(np.abs(totals).sum(axis=-1) / len(right)), resampling)
