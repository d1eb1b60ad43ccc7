"""Splits decided by a hash of each group's key: what comes later never moves what was there."""

import hashlib

import pandas as pd

from tasks.recipe import Split

SALT = "tidemill split 1\x1f"
"""Another salt is another split of everything, and a test set that earlier models have seen."""


def by_hash(keys: pd.Series, shares: Split) -> pd.Series:
    """`train`, `validation` or `test` for each group key; it depends on nothing but the key and the two shares."""
    decided = {key: split_at(position(key), shares) for key in keys.unique()}
    return keys.map(decided).astype("str").rename("split")


def position(key: str) -> float:
    """A number in [0, 1), uniform over keys: the first 53 bits (a float's precision) of sha256(salt + key)."""
    digest = hashlib.sha256((SALT + key).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def split_at(place: float, shares: Split) -> str:
    """Test from below, validation from above, train between: to change one share moves no record of the other's."""
    if place < shares.test:
        return "test"
    return "validation" if place >= 1 - shares.validation else "train"


def described(shares: Split) -> str:
    """What a person should know about this way of splitting."""
    return (
        f"A hash of each group's name decides (asked: {shares.validation:.0%} validation, {shares.test:.0%} test):"
        " new records never move old ones."
    )
