"""How a silo trains in one round, whatever it trains."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.recipe import Federate

LEARNING_RATES = {"head": 0.1, "lora": 1e-3, "full": 1e-4}


@dataclass(frozen=True)
class Noise:
    """Of DP-SGD: standard deviation of the noise in clips, the largest gradient of a record, records a step."""

    sigma: float
    clip: float
    rate: float
    """Probability of each record to be in a step."""
    seed: tuple[int, ...]
    """Known to the silo alone."""


@dataclass(frozen=True)
class Local:
    """One round in one silo; equal values give equal weights."""

    epochs: float
    batch_size: int
    learning_rate: float
    proximal: float
    """Weight of half the squared distance to the shared model in the loss (Li et al. 2020)."""
    seed: tuple[int, ...]
    noise: Noise | None = None


def local(settings: Federate, seed: tuple[int, ...], noise: Noise | None = None) -> Local:
    """The recipe's knobs for one round in one silo."""
    return Local(
        epochs=settings.local_epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate or LEARNING_RATES[settings.partial],
        proximal=settings.proximal if settings.strategy == "fedprox" else 0.0,
        seed=seed,
        noise=noise,
    )


def n_steps(n_records: int, local: Local) -> int:
    """Steps of one round: at least one."""
    return max(1, round(local.epochs * n_records / local.batch_size))


def batches(n_records: int, local: Local) -> Iterator[NDArray[np.int64]]:
    """Positions of the records of each step: shuffled anew each epoch, or with noise drawn one by one (Poisson).

    Only Poisson sampling is what the accountant reckons with (Mironov et al. 2019).
    """
    steps = n_steps(n_records, local)
    if local.noise:
        random = np.random.default_rng([*local.noise.seed, 1])
        for _ in range(steps):
            yield np.flatnonzero(random.random(n_records) < local.noise.rate)
        return
    random = np.random.default_rng(list(local.seed))
    order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    for _ in range(steps):
        while len(order) < min(local.batch_size, n_records):
            order = np.concatenate([order, random.permutation(n_records)])
        yield order[: local.batch_size]
        order = order[local.batch_size :]
