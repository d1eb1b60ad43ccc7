"""The order in which examples are seen: a pure function of seed and epoch."""

from collections.abc import Sequence

import numpy as np

POOL = 50
"""Batches that are sorted by length together: padding falls to a few per cent, the order stays random."""


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Positions of the examples, in shuffled batches of like length; every example once.

    The same arguments give the same batches, so that an interrupted epoch can be continued anywhere.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    batches: list[list[int]] = []
    for start in range(0, len(order), batch_size * POOL):
        pool = sorted(order[start : start + batch_size * POOL].tolist(), key=lambda index: lengths[index])
        batches += [pool[at : at + batch_size] for at in range(0, len(pool), batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]
