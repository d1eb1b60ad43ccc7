"""One round: how many records the budget pays for, which ones, and why each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.groups import group_keys
from tasks.hash_split import by_hash
from tasks.label.pool import candidates
from tasks.label.strategies import STRATEGIES, Candidates
from tasks.recipe import Label, Recipe, Split

NEEDS_MODEL = ("uncertain", "uncertain_diverse")
WITHOUT_MODEL = "diverse"
"""What is done in their place while there is no champion."""

View = Callable[[pd.DataFrame], Candidates]


@dataclass(frozen=True)
class Chosen:
    """The records in the order in which people shall see them, a column `why` added, and the strategy that was used."""

    records: pd.DataFrame
    strategy: str


def affordable(label: Label) -> int:
    """How many records the budget of answers pays for, when a share of them is answered by several people."""
    return max(1, int(label.budget / (1 + label.overlap_share * (label.overlap - 1))))


def in_training(records: pd.DataFrame, split: Split) -> "pd.Series[bool]":
    """Which records will teach. A split by time is decided by records that are not here yet: then all may."""
    if split.by == "time":
        return pd.Series(True, index=records.index)
    return by_hash(group_keys(records), split) == "train"


def usable(recipe: Recipe, has_model: bool) -> str:
    """The recipe's strategy, or what takes its place while there is no champion."""
    wanted = recipe.label.strategy
    return WITHOUT_MODEL if wanted in NEEDS_MODEL and not has_model else wanted


def chosen(pool: pd.DataFrame, recipe: Recipe, strategy: str, look: View, seed: int) -> Chosen:
    """A fair sample of the pool, and beside it what the strategy chooses among records that will teach.

    Only the fair sample may validate and test: a test set of hard records measures another world. `look` gives a
    strategy what it needs to know of its candidates (it may be slow). The two kinds are mixed by lot, so that people
    who stop early have done a share of each.
    """
    rng = np.random.default_rng(seed)
    total = min(affordable(recipe.label), len(pool))
    by_lot = total if strategy == "random" else round(total * recipe.label.random_share)
    lot = rng.permutation(len(pool))[:by_lot]
    rest = pool.drop(index=pool.index[lot])
    teaching = candidates(rest[in_training(rest, recipe.split)], recipe.label.candidates)
    taught = picked(teaching, strategy, total - by_lot, look, rng)
    both = pd.concat([pool.iloc[lot].assign(why="random"), taught.assign(why=strategy)], ignore_index=True)
    return Chosen(both.iloc[rng.permutation(len(both))].reset_index(drop=True), strategy)


def picked(teaching: pd.DataFrame, strategy: str, wanted: int, look: View, rng: np.random.Generator) -> pd.DataFrame:
    """The rows that the strategy chooses, at most `wanted`."""
    if wanted <= 0 or teaching.empty:
        return teaching.iloc[:0]
    return teaching.iloc[STRATEGIES[strategy](look(teaching), wanted, rng)]
