"""Whether one column of the window differs from the reference, and by how much."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.statistics import FloatArray, IntArray
from tasks.watch.counts import Counts
from tasks.watch.permutation import p_value

DRAWN_AT_ONCE = 2_000


@dataclass(frozen=True)
class Finding:
    """One test: its p-value, and the size of what it saw as a share of the rows (0: none, 1: all)."""

    name: str
    p: float
    effect: float


def tested(counts: Counts, draws: int, rng: np.random.Generator) -> Finding:
    """The permutation test of one column: Anderson-Darling for numbers (Scholz and Stephens 1987), chi-square for names.

    Dealing the rows to the two tables by lot makes the window's counts multivariate hypergeometric, so that a draw
    costs the number of bins and not of rows, and the p-value is exact for counts of any size. The effect is the share
    of the window's rows that would have to move: Kolmogorov's distance for numbers, total variation for names.
    """
    both = counts.reference + counts.window
    filled = both > 0
    pooled, window = both[filled], counts.window[filled]
    if len(pooled) < len(("one", "two")) or not window.sum() or not counts.reference.sum():
        return Finding(counts.bins.column, 1.0, 0.0)
    statistic = anderson_darling if counts.bins.ordered else chi_square
    drawn = lambda size: statistic(_dealt(pooled, int(window.sum()), size, rng), pooled)  # noqa: E731
    p = p_value(float(statistic(window[None], pooled)[0]), drawn, draws)
    return Finding(counts.bins.column, p, effect(window, pooled, ordered=counts.bins.ordered))


def _dealt(pooled: IntArray, rows: int, size: int, rng: np.random.Generator) -> IntArray:
    """Counts of the window under chance, draws x bins."""
    sizes = [min(DRAWN_AT_ONCE, size - start) for start in range(0, size, DRAWN_AT_ONCE)]
    return np.concatenate([rng.multivariate_hypergeometric(pooled, rows, part, method="marginals") for part in sizes])


def anderson_darling(window: IntArray, pooled: IntArray) -> FloatArray:
    """The two-sample statistic on counts in ordered bins, up to a constant factor; windows x bins to one value each.

    Squared differences of the distribution functions, weighed by 1 / (H (1 - H)), so that tails count as the middle.
    """
    below = np.cumsum(pooled)[:-1] / pooled.sum()
    gaps = np.cumsum(window, axis=1)[:, :-1] / window.sum(axis=1, keepdims=True) - below
    weights = pooled[:-1] / pooled.sum() / (below * (1 - below))
    return np.asarray(gaps**2 @ weights)


def chi_square(window: IntArray, pooled: IntArray) -> FloatArray:
    """Pearson's statistic on counts, up to a constant factor; windows x bins to one value each."""
    expected = pooled / pooled.sum() * window.sum(axis=1, keepdims=True)
    return np.asarray(((window - expected) ** 2 / expected).sum(axis=1))


def effect(window: IntArray, pooled: IntArray, *, ordered: bool) -> float:
    """The largest difference of the distribution functions (numbers), or half the summed differences (names)."""
    gaps = _shares(window) - _shares(pooled - window)
    return float(np.abs(np.cumsum(gaps)).max() if ordered else np.abs(gaps).sum() / 2)


def _shares(counts: IntArray) -> NDArray[np.float64]:
    return np.asarray(counts / counts.sum())
