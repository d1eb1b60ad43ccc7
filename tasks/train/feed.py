"""Batches by step, the next one made while the present one is learned from."""

import math
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from tasks.train.batches import Batch, Examples, epoch_batches
from tasks.train.processes import World

VARIATION = 1
"""Between seed and step: another stream than the one that shuffles."""


class Feed:
    """What is learned from at each step: a function of the seed and the step alone, so that a run can go on anywhere."""

    def __init__(self, examples: Examples, batch_size: int, seed: int, world: World) -> None:
        self._examples, self._batch_size, self._seed, self._world = examples, batch_size, seed, world
        self._per_epoch = math.ceil(len(examples.lengths) / batch_size)
        self._order: tuple[int, list[list[int]]] = (-1, [])
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._next: tuple[int, Future[Batch]] | None = None

    def close(self) -> None:
        """Make no further batch."""
        self._pool.shutdown(cancel_futures=True)

    def at(self, step: int) -> tuple[Batch, int]:
        """The share of the step's batch that is this process's, and the rows of the whole batch."""
        coming = self._next[1] if self._next and self._next[0] == step else self._pool.submit(self._made, step)
        batch = coming.result()
        self._next = (step + 1, self._pool.submit(self._made, step + 1))
        return batch, len(self._positions(step))

    def _made(self, step: int) -> Batch:
        random = np.random.default_rng([self._seed, VARIATION, step, self._world.rank])
        return self._examples.batch(self._positions(step)[self._world.rank :: self._world.size], random)

    def _positions(self, step: int) -> list[int]:
        epoch, at = divmod(step, self._per_epoch)
        known, batches = self._order
        if known != epoch:
            batches = epoch_batches(self._examples.lengths, self._batch_size, self._seed, epoch)
            self._order = (epoch, batches)
        return batches[at]
