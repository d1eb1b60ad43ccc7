"""The publisher's own test set: whole record sources are the test split."""

import pandas as pd

from tasks.hash_split import by_hash
from tasks.recipe import Split


def by_source(sources: pd.Series, keys: pd.Series, split: Split) -> pd.Series:
    """`test` for the records of `test_sources`; `validation` or `train` for each other group, by a hash of its key."""
    others = by_hash(keys, split.model_copy(update={"test": 0.0}))
    return others.mask(sources.isin(split.test_sources), "test")


def described(split: Split) -> str:
    """What a person should know about this way of splitting."""
    return (
        f"The records of {', '.join(split.test_sources)} are the test set; of the others a hash decides"
        f" (asked: {split.validation:.0%} validation)."
    )
