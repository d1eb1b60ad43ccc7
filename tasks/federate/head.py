"""A linear head on the frozen encoder's mean states: softmax regression in numpy, plain or with record-level privacy.

Records are encoded once; a round then takes a second and no torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import model_files, storage
from tasks.federate.local import Local, Noise, batches
from tasks.federate.messages import Arrays

WEIGHT, BIAS = "head.weight", "head.bias"
MOMENTUM = 0.9


@dataclass(frozen=True)
class Encoded:
    """Mean last hidden states (records x width, float32) and positions of the classes (records)."""

    states: NDArray[np.float32]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.classes)


def initial(base_model: Path, n_classes: int, seed: int) -> Arrays:
    """A head of zeros: the loss is convex, so that no luck of the draw is needed (and `seed` is not)."""
    del seed
    width = int(storage.read_json(base_model / model_files.CONFIG)["hidden_size"])
    return {BIAS: np.zeros(n_classes, np.float32), WEIGHT: np.zeros((n_classes, width), np.float32)}


def trained(start: Arrays, records: Encoded, local: Local) -> Arrays:
    """The head after one round. With noise: DP-SGD (Abadi et al. 2016, algorithm 1)."""
    weights, shared = _joined(start), _joined(start)
    states = np.hstack([records.states, np.ones((len(records), 1), np.float32)])
    targets = np.eye(len(weights), dtype=np.float32)[records.classes]
    random = np.random.default_rng([*local.noise.seed, 2]) if local.noise else None
    speed = np.zeros_like(weights)
    gradient: NDArray[Any]
    for batch in batches(len(records), local):
        errors = _softmax(states[batch] @ weights.T) - targets[batch]
        if local.noise and random:
            gradient = _private_sum(errors, states[batch], local.noise, random) / (local.noise.rate * len(records))
        else:
            gradient = errors.T @ states[batch] / len(batch)
        gradient = gradient + local.proximal * (weights - shared)
        speed = MOMENTUM * speed + gradient
        weights = (weights - local.learning_rate * (1 - MOMENTUM) * speed).astype(np.float32)
    return {BIAS: weights[:, -1].copy(), WEIGHT: weights[:, :-1].copy()}


def _private_sum(errors: Any, states: Any, noise: Noise, random: np.random.Generator) -> NDArray[Any]:
    """The sum of the records' gradients, each at most `clip` long, with Gaussian noise (classes x width + 1).

    A record's gradient is the outer product of its error and its state: its length is the product of theirs.
    """
    lengths = np.linalg.norm(errors, axis=1) * np.linalg.norm(states, axis=1)
    factors = np.minimum(1.0, noise.clip / np.maximum(lengths, np.finfo(np.float32).tiny))
    total = (errors * factors[:, None]).T @ states
    return np.asarray(total + random.normal(0.0, noise.sigma * noise.clip, total.shape))


def right(arrays: Arrays, records: Encoded) -> int:
    """How many records the head puts into their class."""
    return int((logits(arrays, records.states).argmax(1) == records.classes).sum()) if len(records) else 0


def losses(arrays: Arrays, records: Encoded) -> NDArray[np.float64]:
    """Cross-entropy of each record."""
    scores = logits(arrays, records.states).astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return np.asarray(-logs[np.arange(len(records)), records.classes])


def logits(arrays: Arrays, states: NDArray[np.float32]) -> NDArray[Any]:
    """Scores, records x classes."""
    return np.asarray(states @ arrays[WEIGHT].T + arrays[BIAS])


def _joined(arrays: Arrays) -> NDArray[np.float32]:
    return np.hstack([arrays[WEIGHT], arrays[BIAS][:, None]]).astype(np.float32)


def _softmax(scores: NDArray[Any]) -> NDArray[Any]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
