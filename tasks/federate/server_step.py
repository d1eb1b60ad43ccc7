"""How the server moves the shared model by the silos' combined update."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.recipe import Federate

BETA_1, BETA_2, TAU = 0.9, 0.99, 1e-3
"""Of FedAdam, as Reddi et al. 2021 set them for text."""

Vector = NDArray[Any]


@dataclass(frozen=True)
class Moments:
    """FedAdam's memory; zeros at the start, unused by the other strategies."""

    first: Vector
    second: Vector


def start(size: int) -> Moments:
    """The memory before the first round."""
    return Moments(np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32))


def moved(shared: Vector, update: Vector, moments: Moments, settings: Federate) -> tuple[Vector, Moments]:
    """The shared model after the round, and the memory for the next.

    FedAvg (McMahan et al. 2017) and FedProx (Li et al. 2020; its pull is in the silos) add the mean update; FedAdam
    (Reddi et al. 2021, algorithm 2) takes it for a gradient.
    """
    if settings.strategy != "fedadam":
        return (shared + update).astype(np.float32), moments
    first = BETA_1 * moments.first + (1 - BETA_1) * update
    second = BETA_2 * moments.second + (1 - BETA_2) * update**2
    step = settings.server_learning_rate * first / (np.sqrt(second) + TAU)
    return (shared + step).astype(np.float32), Moments(first.astype(np.float32), second.astype(np.float32))
