"""How often the champion is right on a window without labels, estimated from its own confidence."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEAST_ROWS = 30
"""Of a slice whose accuracy tells how far the estimate was off."""

Confidence = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Estimate:
    """Accuracy on the reference (measured) and on the window (estimated); how far off such estimates were."""

    reference: float
    window: float
    error: float | None

    @property
    def lost(self) -> float:
        """How much accuracy is lost on the window: negative for a gain."""
        return self.reference - self.window


def estimate(reference: pd.DataFrame, confidence: Confidence) -> Estimate:
    """What the window's `confidence` says. The reference has `confidence`, `right` and, for the error, `domain`."""
    right = reference["right"].to_numpy(dtype=bool)
    expected = thresholded(reference["confidence"].to_numpy(), right, confidence)
    return Estimate(float(right.mean()), expected, error(reference))


def thresholded(reference: Confidence, right: NDArray[np.bool_], window: Confidence) -> float:
    """The share of the window above the confidence that as many rows of the reference exceed as were right.

    Average thresholded confidence (Garg et al. 2022).
    """
    threshold = np.quantile(reference, 1 - right.mean())
    return float(np.mean(window > threshold) if right.mean() < 1 else 1.0)


def error(reference: pd.DataFrame) -> float | None:
    """How far the estimate is off on a shift, at most: each domain is estimated from the others, and is known.

    No bound for a domain that the model never saw: so few misses say little about the next one, and the model knew
    all of them. None when there are no two domains of LEAST_ROWS rows.
    """
    if "domain" not in reference:
        return None
    sizes = reference["domain"].value_counts()
    misses = [_miss(reference, reference["domain"] == name) for name in sizes.index[sizes >= LEAST_ROWS]]
    known = [miss for miss in misses if miss is not None]
    return max(known) if len(known) > 1 else None


def _miss(reference: pd.DataFrame, held_out: "pd.Series[bool]") -> float | None:
    others, slice_rows = reference[~held_out], reference[held_out]
    if len(others) < LEAST_ROWS:
        return None
    right = others["right"].to_numpy(dtype=bool)
    expected = thresholded(others["confidence"].to_numpy(), right, slice_rows["confidence"].to_numpy())
    return abs(expected - float(slice_rows["right"].mean()))


def told(found: Estimate) -> str:
    """The estimate in a sentence."""
    certainty = (
        f"on the reference's own domains such estimates were off by up to {found.error:.1%}, "
        "on one that the model never saw they are often further off, mostly too high"
        if found.error is not None
        else "how far such estimates are off could not be measured, since the reference has one domain only"
    )
    change = f"{abs(found.lost):.1%} {'lost' if found.lost > 0 else 'gained'}"
    return (
        f"Accuracy, estimated without labels: {found.window:.1%}, where the reference had {found.reference:.1%} "
        f"({change}; {certainty})."
    )
