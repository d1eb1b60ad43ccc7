"""Whether a new version takes the champion's place: only when it is shown better on the same test rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.recipe import Gate
from tasks.statistics import paired_difference

SAMPLES, SEED = 10_000, 17


@dataclass(frozen=True)
class Verdict:
    """What was decided, in words, and the measured difference (None without a champion to compare with)."""

    promoted: bool
    reason: str
    difference: tuple[float, float, float] | None = None


def first_version() -> Verdict:
    """There is no champion: the new version is it."""
    return Verdict(promoted=True, reason="it is the first version")


def compared(
    truth: NDArray[np.int64], challenger: NDArray[np.int64], champion: NDArray[np.int64], gate: Gate, number: int
) -> Verdict:
    """The verdict of a paired bootstrap on the same rows (Efron and Tibshirani 1993): class positions, equal lengths.

    The challenger wins when the whole interval of its advantage lies above zero; a tie keeps the champion.
    """
    measured = paired_difference(truth, challenger, champion, gate.metric, SAMPLES, gate.confidence, SEED)
    figures = f"{measured.estimate:+.4f} {gate.metric} ({gate.confidence:.0%} interval {measured.low:+.4f} to {measured.high:+.4f})"
    rows = f"on the same {len(truth):,} test rows as champion {number}"
    if measured.shown:
        reason = f"shown better: {figures} {rows}"
    elif measured.high < 0:
        reason = f"shown worse: {figures} {rows}"
    else:
        reason = f"not shown better: {figures} {rows}; a tie keeps the champion"
    return Verdict(measured.shown, reason, (measured.estimate, measured.low, measured.high))
