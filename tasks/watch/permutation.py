"""Permutation p-values that stop as soon as the answer is clear."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH = 20
"""Draws at least as extreme as what was seen, after which more draws change nothing (Besag and Clifford 1991)."""

FIRST_DRAWS = 50
LEAST_DRAWS, MOST_DRAWS = 999, 99_999
TIE = 1e-9
"""Relative. Equal statistics may differ in their last bits."""

Draw = Callable[[int], NDArray[np.floating[Any]]]
"""From a number of draws to the statistic of each."""


def draws_for(level: float) -> int:
    """How many draws a test at this level needs: twenty of them are then expected beyond it."""
    return int(np.clip(math.ceil(ENOUGH / level) - 1, LEAST_DRAWS, MOST_DRAWS))


def p_value(observed: float, draw: Draw, draws: int) -> float:
    """The chance of a statistic as large as `observed` when the rows are dealt to the two tables by lot.

    Sequential (Besag and Clifford 1991): after the twentieth draw that is as large, at draw l, the p-value is 20 / l;
    without so many in all draws it is (as large + 1) / (draws + 1). Both are valid: P(p <= a) <= a without a shift.
    """
    done = extreme = 0
    size = FIRST_DRAWS
    while done < draws:
        values = draw(min(size, draws - done))
        large = np.cumsum(values >= observed - TIE * abs(observed))
        if extreme + large[-1] >= ENOUGH:
            return ENOUGH / (done + 1 + int(np.searchsorted(large, ENOUGH - extreme)))
        extreme += int(large[-1])
        done += len(values)
        size *= 2
    return (extreme + 1) / (draws + 1)
