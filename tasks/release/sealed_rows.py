"""Which test rows a verdict was found on: enough to know them again, and to see how many two verdicts share."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SKETCHED = 64
HASH_LETTERS = 16


@dataclass(frozen=True)
class SealedRows:
    """The hash of all record ids and labels, their number, and the smallest of the rows' own hashes, sorted."""

    sha256: str
    rows: int
    sketch: Sequence[str]


def sealed_rows(rows: Iterable[tuple[str, str]]) -> SealedRows:
    """Of (record id, label) pairs, in whatever order."""
    hashes = sorted(hashlib.sha256("\x1f".join(row).encode()).hexdigest() for row in rows)
    whole = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return SealedRows(whole, len(hashes), tuple(found[:HASH_LETTERS] for found in hashes[:SKETCHED]))


def overlap(first: SealedRows, second: SealedRows) -> float:
    """The estimated share of the rows of both together that both have: 1 when they are the same.

    The smallest hashes of a union are a random sample of it (bottom-k sketch: Cohen and Kaplan 2007).
    """
    if first.sha256 == second.sha256:
        return 1.0
    mine, theirs = set(first.sketch), set(second.sketch)
    sample = sorted(mine | theirs)[:SKETCHED]
    return sum(one in mine and one in theirs for one in sample) / len(sample) if sample else 0.0
