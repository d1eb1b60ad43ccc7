"""Splits decided by time: the past teaches, the newest tests."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from tasks.errors import RecipeError, listed
from tasks.recipe import Split

NEVER = pd.Timestamp("9999-12-31", tz="UTC")


@dataclass(frozen=True)
class Boundaries:
    """The first moments (midnight UTC) of validation and of test."""

    validation_from: pd.Timestamp
    test_from: pd.Timestamp


def latest_times(keys: pd.Series, happened_at: pd.Series) -> pd.Series:
    """The time of the latest record of each row's group; NaT where no record of the group has a time."""
    return happened_at.groupby(keys).transform("max")


def boundaries(latest: pd.Series, split: Split) -> Boundaries:
    """The recipe's dates, or else the days that come nearest to its shares of the dated rows.

    By share, newer records move the days on. `latest`: the time of each row's group (UTC). Raises RecipeError for a
    date that is none or dates in the wrong order.
    """
    given = _recipe_days(split)
    days = latest.dropna().dt.floor("D")
    test_from = given.get("test_from") or nearest_day(days, split.test * len(days))
    before = days[days < test_from]
    by_share = min(nearest_day(before, split.validation * len(days)), test_from)
    validation_from = given.get("validation_from") or by_share
    if validation_from > test_from:
        raise RecipeError(
            f"split.validation_from: {validation_from:%Y-%m-%d} lies after the start of test, {test_from:%Y-%m-%d};"
            " write an earlier day, or a later split.test_from"
        )
    return Boundaries(validation_from, test_from)


def nearest_day(days: pd.Series, rows_wanted: float) -> pd.Timestamp:
    """The day from which on the number of rows comes nearest to `rows_wanted` (a tie: the later day).

    `days`: the midnight of each row's day. A day is never torn. NEVER when there are no rows.
    """
    if days.empty:
        return NEVER
    counts = days.value_counts().sort_index(ascending=False)
    starts = counts.index.insert(0, days.max() + pd.Timedelta(days=1))
    distances = np.abs(np.concatenate([[0], counts.cumsum()]) - rows_wanted)
    return pd.Timestamp(starts[int(distances.argmin())])


def by_time(latest: pd.Series, bounds: Boundaries) -> pd.Series:
    """`train`, `validation` or `test` for each row, by the latest time of its group (UTC).

    So nothing in train is as late as the boundaries. Groups without any time go to train: a test that claims to be
    the newest must not hold what may be old; that train may hold a few of unknown age is the smaller fault.
    """
    splits = pd.Series("train", index=latest.index, dtype="str", name="split")
    splits = splits.mask(latest >= bounds.validation_from, "validation")
    return splits.mask(latest >= bounds.test_from, "test")


def described(latest: pd.Series, bounds: Boundaries, split: Split) -> str:
    """What a person should know about this way of splitting."""
    undated = int(latest.isna().sum())
    if undated == len(latest):
        return f"No record has a time: all {undated:,} go to train."
    dated = split.validation_from and split.test_from
    moving = "" if dated else " Newer records move these days, unless the recipe gives both dates."
    return (
        f"A group goes where its latest record goes: validation from {bounds.validation_from:%Y-%m-%d}, test from"
        f" {bounds.test_from:%Y-%m-%d} (UTC). {undated:,} records without a time go to train, never to test.{moving}"
    )


def _recipe_days(split: Split) -> dict[str, pd.Timestamp]:
    """The dates that the recipe gives, as midnights UTC."""
    given = {"validation_from": split.validation_from, "test_from": split.test_from}
    days, faults = {}, []
    for key, text in given.items():
        if text is None:
            continue
        try:
            days[key] = pd.Timestamp(date.fromisoformat(str(text)), tz="UTC")
        except ValueError:
            faults.append(f"{key} is {text!r}, which is no day; write it as 2026-09-01")
    if faults:
        raise RecipeError(listed(faults, "split"))
    return days
