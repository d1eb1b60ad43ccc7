"""The order in which examples are seen, and what is fed at once: pure functions of seed, epoch and step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

POOL = 50
"""Batches that are sorted by length together: padding falls to a few per cent, the order stays random."""


@dataclass(frozen=True)
class Batch:
    """The model's inputs (each: rows x …) and the target share of each class (rows x classes)."""

    inputs: tuple[NDArray[Any], ...]
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.targets)

    def parts(self, rows: int) -> Iterator["Batch"]:
        """The batch in pieces of at most so many rows."""
        for start in range(0, len(self), rows):
            yield self.of(slice(start, start + rows))

    def of(self, rows: slice) -> "Batch":
        """Some rows of it."""
        return Batch(tuple(values[rows] for values in self.inputs), self.targets[rows])


class Examples(Protocol):
    """What a kind gives the loop."""

    lengths: list[int]
    """How long each example is: like ones go together."""

    def batch(self, positions: Sequence[int], random: np.random.Generator | None) -> Batch:
        """The examples at `positions`, varied by `random` as the recipe says; None: as they are."""
        ...


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
