"""How much noise a privacy budget needs, and how much of it is spent: Opacus' PRV accountant (Gopi et al. 2021)."""

import warnings
from collections.abc import Sequence
from functools import cache

Spent = tuple[float, float, int]
"""Noise (in clips), probability of a record to be in a step, number of steps."""


@cache
def noise(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """Standard deviation of the noise, in clips, with which `steps` Poisson-sampled steps spend at most `epsilon`."""
    from opacus.accountants.utils import get_noise_multiplier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the search tries noises that no one would use, and is warned of them
        return float(
            get_noise_multiplier(
                target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=steps, accountant="prv"
            )
        )


def epsilon(history: Sequence[Spent], delta: float) -> float:
    """What all of it has spent together, for adding or removing one record; 0 when nothing was done."""
    return _epsilon(tuple(history), delta) if history else 0.0


@cache
def _epsilon(history: tuple[Spent, ...], delta: float) -> float:
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = list(history)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Opacus' own, on numpy
        return float(accountant.get_epsilon(delta))
