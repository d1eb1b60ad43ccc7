"""Tests that may be looked at after every observation, and stopped at any, without a larger chance of error.

Evidence is the capital of a bettor who starts with 1 and bets against a hypothesis about the mean of bounded
observations; when the hypothesis is true, it ever exceeds 1/alpha with a chance of at most alpha (Ville 1939;
Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting).
"""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BETS = 12
"""Constant bets, spread evenly on a logarithmic scale: their average capital is as good as nearly the best of them."""
SMALLEST_BET, LARGEST_BET = 0.01, 0.95

Decision = Literal["promote", "reject", "keep watching"]


@cache
def bets() -> NDArray[np.float64]:
    """The shares of the capital that are bet each time."""
    return np.asarray(np.geomspace(SMALLEST_BET, LARGEST_BET, BETS), dtype=np.float64)


@dataclass(frozen=True)
class Evidence:
    """What `count` differences (challenger right minus champion right: -1, 0 or 1) have shown so far.

    `better` and `worse` are the logarithms of the capital of each bet against "not better" and "better by margin".
    """

    count: int = 0
    total: float = 0.0
    better: tuple[float, ...] = field(default=(0.0,) * BETS)
    worse: tuple[float, ...] = field(default=(0.0,) * BETS)

    def seen(self, difference: float, margin: float) -> "Evidence":
        """The evidence after one more difference in [-1, 1]."""
        up = np.log1p(bets() * difference)
        # Against a mean of at least `margin`: scaled so that no observation can lose more than the stake.
        down = np.log1p(bets() * (margin - difference) / (1 - margin))
        return replace(
            self,
            count=self.count + 1,
            total=self.total + difference,
            better=tuple((np.array(self.better) + up).tolist()),
            worse=tuple((np.array(self.worse) + down).tolist()),
        )

    @property
    def advantage(self) -> float:
        """The mean difference in accuracy; 0 before anything was seen."""
        return self.total / self.count if self.count else 0.0

    def decision(self, alpha: float) -> Decision:
        """Promote when "not better" is refuted at `alpha`, reject when "better by margin" is, else go on."""
        if capital(self.better) >= 1 / alpha:
            return "promote"
        return "reject" if capital(self.worse) >= 1 / alpha else "keep watching"


def capital(logarithms: tuple[float, ...]) -> float:
    """The mean capital over all bets, at most 1e300."""
    return float(np.exp(np.minimum(np.logaddexp.reduce(logarithms) - np.log(BETS), 690.0)))
