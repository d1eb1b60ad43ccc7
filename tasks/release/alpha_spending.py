"""What earlier verdicts on the same test rows leave of alpha.

Whoever tries many candidates on the same rows finds one that luck favours. So the first verdict on a set of rows may
use 61 % of alpha, the second 15 %, the k-th alpha * 6 / (pi * k)**2: the series sums to alpha, however many follow
(Bonferroni along a sequence of tests, as in Foster and Stine 2008, section 2, and Javanmard and Montanari 2018).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.ledger import Entry
from tasks.recipe import Gate
from tasks.release.sealed_rows import SealedRows, overlap

SHARED = 0.1
"""Share of the rows from which an earlier verdict counts as one on the same rows: rows that were added free no alpha."""


@dataclass(frozen=True)
class Look:
    """The how-manieth verdict this is on its test rows (from 1), and the alpha that it may use."""

    number: int
    alpha: float


def spent_at(number: int, alpha: float) -> float:
    """The part of alpha that look `number` (from 1) may use."""
    return alpha * 6 / (math.pi * number) ** 2


def next_look(history: Sequence[Entry], rows: SealedRows, gate: Gate) -> Look:
    """The look that comes now, counted from the ledger: verdicts against a champion, on rows shared with these."""
    earlier = [
        entry
        for entry in history
        if entry.kind == "verdict"
        and entry.evidence.get("champion") is not None
        and overlap(SealedRows(**entry.evidence["test_rows"]), rows) >= SHARED
    ]
    number = 1 + len(earlier)
    return Look(number, gate.alpha if gate.reuse == "ignore" else spent_at(number, gate.alpha))
