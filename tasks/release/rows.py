"""The test rows of a verdict with the challenger's answers, and those that the champion may be asked."""

from collections.abc import Sequence

import pandas as pd

from tasks import storage
from tasks.paths import Paths


def judged_rows(paths: Paths, answer_columns: Sequence[str]) -> pd.DataFrame:
    """The test rows with the challenger's answers."""
    test = storage.read_table(paths.stage("split") / "test.parquet")
    told = storage.read_table(paths.stage("evaluate") / "predictions.parquet", ["record_id", *answer_columns])
    return test.merge(told, on="record_id", validate="one_to_one")


def seen_records(paths: Paths) -> pd.DataFrame:
    """record_id and split of the present training and validation records."""
    parts = [
        storage.read_table(paths.stage("split") / f"{name}.parquet", ["record_id"]).assign(split=name)
        for name in ("train", "validation")
    ]
    return pd.concat(parts, ignore_index=True).sort_values("record_id", ignore_index=True)


def fair_rows(rows: pd.DataFrame, seen: pd.DataFrame | None, tested: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows the champion has not learned from: a record that moved from its training to the test flatters it.

    `seen`: its training records; where they are not known, just the rows in its own test (`tested`) are certain.
    """
    if seen is None:
        return rows["record_id"].isin(tested["record_id"])
    return ~rows["record_id"].isin(seen["record_id"])
