"""What a silo's texts are like, in sums that carry no record, and how unlike the silos are by them.

Histograms of the labels, of words a text, letters a word and signs (characters that are no letters), and the sum of the
texts' embeddings, each of length 1. A record adds at most 1 (in L2) to each of these sums: that is what noise is made for.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.federate.messages import Arrays, Facts

BOUNDS = {"words": (5, 10, 20, 40, 80), "letters": (3.5, 4.0, 4.5, 5.0, 5.5), "signs": (0.02, 0.04, 0.06, 0.1, 0.2)}
"""Where the histograms' bins begin, but for the first: words a text, letters a word, share of signs."""
LABELS, EMBEDDING = "labels", "embedding"
SMALLEST = 20
"""Fewer records are not described: their mean would nearly be one of them."""
WORD = re.compile(r"[^\W\d_]+")

Sums = NDArray[Any]


def described(records: pd.DataFrame, states: NDArray[np.float32] | None, classes: Sequence[str]) -> Arrays:
    """The sums over the records (columns text, label); nothing for fewer than SMALLEST. `states`: records x width."""
    if len(records) < SMALLEST:
        return {}
    measured = pd.DataFrame([_measures(text) for text in records["text"]], columns=list(BOUNDS))
    sums: Arrays = {name: _histogram(measured[name], bounds) for name, bounds in BOUNDS.items()}
    counts = records["label"].value_counts()
    sums[LABELS] = np.array([counts.get(label, 0) for label in classes], np.float32)
    if states is not None:
        lengths = np.maximum(np.linalg.norm(states, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        sums[EMBEDDING] = (states / lengths).sum(axis=0).astype(np.float32)
    return sums


def _measures(text: str) -> tuple[float, float, float]:
    words = WORD.findall(text)
    letters = sum(map(len, words))
    visible = sum(map(len, text.split()))
    return len(words), letters / max(1, len(words)), 1 - letters / max(1, visible)


def _histogram(values: "pd.Series[float]", bounds: Sequence[float]) -> Sums:
    return np.bincount(np.digitize(values, bounds), minlength=len(bounds) + 1).astype(np.float32)


def noisy(sums: Arrays, sigma: float, random: np.random.Generator) -> Arrays:
    """The sums with Gaussian noise of `sigma` times what one record can move all of them together by."""
    scale = sigma * math.sqrt(len(sums))
    return {name: (sums[name] + random.normal(0, scale, sums[name].shape)).astype(np.float32) for name in sorted(sums)}


def compared(silos: Mapping[str, Arrays], classes: Sequence[str]) -> dict[str, Facts]:
    """For each silo its label counts and how far it is from all together, as `shift.NAME`.

    Histograms: total variation distance, 0 to 1; embedding: distance of the means, 0 to 2. What is not of the expected
    shape, or is missing in a silo, is left out.
    """
    sizes = {LABELS: len(classes), **{name: len(bounds) + 1 for name, bounds in BOUNDS.items()}}
    good = {name: sums for name, sums in silos.items() if _is_whole(sums, sizes)}
    facts: dict[str, Facts] = {
        name: {f"label.{label}": max(0, round(float(n))) for label, n in zip(classes, sums[LABELS], strict=True)}
        for name, sums in good.items()
    }
    for what in sizes:
        whole = np.sum([np.maximum(sums[what], 0) for sums in good.values()], axis=0)
        for name, sums in good.items():
            facts[name][f"shift.{what}"] = round(distance(np.maximum(sums[what], 0), whole), 4)
    means = {name: sums[EMBEDDING] / _records(sums) for name, sums in good.items() if EMBEDDING in sums}
    if len({mean.shape for mean in means.values()}) == 1:
        counts = [_records(good[name]) for name in means]
        whole = np.average(list(means.values()), axis=0, weights=counts)
        for name, mean in means.items():
            facts[name][f"shift.{EMBEDDING}"] = round(float(np.linalg.norm(mean - whole)), 4)
    return facts


def _is_whole(sums: Arrays, sizes: Mapping[str, int]) -> bool:
    finite = all(values.dtype.kind == "f" and np.isfinite(values).all() for values in sums.values())
    return finite and all(name in sums and sums[name].shape == (size,) for name, size in sizes.items())


def _records(sums: Arrays) -> float:
    return max(1.0, float(sums[LABELS].sum()))


def distance(first: Sequence[float] | Sums, second: Sequence[float] | Sums) -> float:
    """Total variation distance of two counts: 0 for equal shares, 1 for none in common."""
    one, other = np.asarray(first, float), np.asarray(second, float)
    return float(np.abs(one / max(1.0, one.sum()) - other / max(1.0, other.sum())).sum() / 2)
