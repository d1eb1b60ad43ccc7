"""One update from many, some of which may be wrong on purpose: pure functions of a matrix, silos x values."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.errors import PromiseError
from tasks.federate.messages import Arrays

How = Literal["mean", "median", "trimmed_mean", "krum"]
Matrix = NDArray[Any]


def least_silos(how: How, poisoned: int) -> int:
    """How many updates `how` needs to bear that many liars."""
    return {"mean": 1, "median": 2 * poisoned + 1, "trimmed_mean": 2 * poisoned + 1, "krum": 2 * poisoned + 3}[how]


def combined(updates: Matrix, weights: Matrix, how: How, poisoned: int) -> Matrix:
    """One row from the rows of `updates`; only `mean` uses the `weights` (records of each silo).

    `median` and `trimmed_mean`: Yin et al. 2018; `krum`: Multi-Krum of Blanchard et al. 2017, the mean of all but the
    `poisoned` rows farthest from their neighbours. Raises PromiseError when there are too few rows for the promise.
    """
    least = least_silos(how, poisoned)
    if len(updates) < least:
        raise PromiseError(f"{how} against {poisoned} poisoned needs {least} updates, and {len(updates)} are good")
    if how == "median":
        return np.asarray(np.median(updates, axis=0))
    if how == "trimmed_mean":
        return np.asarray(np.sort(updates, axis=0)[poisoned : len(updates) - poisoned].mean(axis=0))
    if how == "krum":
        return np.asarray(updates[krum_order(updates, poisoned)[: len(updates) - poisoned]].mean(axis=0))
    return np.asarray(np.average(updates, axis=0, weights=weights))


def krum_order(updates: Matrix, poisoned: int) -> list[int]:
    """The rows' positions, the most trustworthy first: by squared distance to the n - poisoned - 2 nearest others."""
    products = updates @ updates.T
    squares = np.diag(products)
    distances = np.sort(squares[:, None] + squares[None, :] - 2 * products, axis=1)
    scores = distances[:, 1 : len(updates) - poisoned - 1].sum(axis=1)
    return [int(index) for index in np.argsort(scores, kind="stable")]


def bounded(updates: Matrix, bound: float | None) -> Matrix:
    """The rows, those longer than `bound` times the median length shortened to it (Sun et al. 2019)."""
    if bound is None:
        return updates
    norms = np.linalg.norm(updates, axis=1)
    limit = bound * float(np.median(norms))
    return np.asarray(updates * np.minimum(1.0, limit / np.maximum(norms, np.finfo(np.float32).tiny))[:, None])


def flat(arrays: Arrays) -> Matrix:
    """All values in one vector, float32, arrays in the order of their names."""
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays)]).astype(np.float32)


def unflat(vector: Matrix, like: Arrays) -> Arrays:
    """The vector as arrays in the shapes of `like`, float32."""
    names = sorted(like)
    parts = np.split(vector, np.cumsum([like[name].size for name in names])[:-1])
    return {name: part.reshape(like[name].shape).astype(np.float32) for name, part in zip(names, parts, strict=True)}
