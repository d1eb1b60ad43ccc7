"""Whether the embeddings of the window differ from the reference's: the energy distance, calibrated by permutation."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.statistics import FloatArray
from tasks.watch.column_tests import Finding
from tasks.watch.permutation import p_value

MOST_ROWS = 2_000
"""Of each table. Beyond it time and memory grow with the square, and the power hardly."""

DEALT_AT_ONCE = 256

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Distances:
    """Euclidean distances between all rows of reference (first) and window together, float32, and who is reference."""

    between: Vectors
    reference_rows: int

    @cached_property
    def sums(self) -> FloatArray:
        """Of each row."""
        return np.asarray(self.between.sum(axis=1, dtype=np.float64))


def tested(reference: Vectors, window: Vectors, draws: int, rng: np.random.Generator) -> Finding:
    """The permutation test of the energy distance (Szekely and Rizzo 2013), rows x width each.

    The effect is the root of the coefficient of inhomogeneity (Rizzo and Szekely 2016): 0 for equal distributions, 1
    for two different points; a mixture with a share s of something new has s times its effect.
    """
    found = distances(reference, window)
    membership = np.zeros(len(found.between), dtype=np.float32)
    membership[: found.reference_rows] = 1
    observed = energies(found, membership[:, None])[0]

    def drawn(size: int) -> FloatArray:
        sizes = [min(DEALT_AT_ONCE, size - start) for start in range(0, size, DEALT_AT_ONCE)]
        return np.concatenate([energies(found, _shuffled(membership, part, rng)) for part in sizes])

    return Finding("embedding", p_value(float(observed), drawn, draws), _effect(found, float(observed)))


def distances(reference: Vectors, window: Vectors) -> Distances:
    """All pairwise distances."""
    rows = np.concatenate([reference, window]).astype(np.float32)
    squares = (rows * rows).sum(axis=1)
    between = rows @ rows.T  # 64 MB for 4,000 rows: from here on in place
    between *= -2
    between += squares[:, None]
    between += squares[None]
    np.sqrt(np.maximum(between, 0, out=between), out=between)
    np.fill_diagonal(between, 0)
    return Distances(between, len(reference))


def energies(found: Distances, membership: Vectors) -> FloatArray:
    """The unbiased energy distance of each way of dealing the rows (rows x ways; 1: reference, 0: window)."""
    n, m = found.reference_rows, len(found.between) - found.reference_rows
    inside = np.einsum("ij,ij->j", membership, found.between @ membership, dtype=np.float64)
    across = found.sums @ membership - inside
    others = found.sums.sum() - inside - 2 * across
    return np.asarray(2 * across / (n * m) - inside / (n * max(n - 1, 1)) - others / (m * max(m - 1, 1)))


def _shuffled(membership: Vectors, ways: int, rng: np.random.Generator) -> Vectors:
    return rng.permuted(np.repeat(membership[:, None], ways, axis=1), axis=0)


def _effect(found: Distances, energy: float) -> float:
    across = float(found.between[: found.reference_rows, found.reference_rows :].mean(dtype=np.float64))
    return float(np.sqrt(max(energy, 0.0) / (2 * across))) if across > 0 else 0.0


def strangeness(found: Distances) -> FloatArray:
    """How much nearer each row of the window is to the window than to the reference (the witness of the distance)."""
    cut = found.reference_rows
    window = found.between[cut:]
    m = window.shape[1] - cut
    return np.asarray(window[:, :cut].mean(axis=1) - window[:, cut:].sum(axis=1) / max(m - 1, 1), dtype=np.float64)
