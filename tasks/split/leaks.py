"""Proof that no two splits share a record, a group or a content."""

from collections.abc import Mapping

import pandas as pd

from tasks.errors import PromiseError, listed

IDS_SHOWN = 3


def refuse_leaks(record_ids: pd.Series, splits: pd.Series, others: Mapping[str, pd.Series]) -> None:
    """Raise PromiseError when a record_id, or a value of `others` (by what it is called), stands in two splits.

    All are aligned; the message says which records.
    """
    shared_by = {"record_id": record_ids, **others}
    faults = [fault for what, values in shared_by.items() if (fault := _leak(what, values, splits, record_ids))]
    if faults:
        raise PromiseError(listed(faults, "the splits leak"))


def _leak(what: str, values: pd.Series, splits: pd.Series, record_ids: pd.Series) -> str | None:
    """One line on the values that stand in two splits or more, or None."""
    straddling = splits.groupby(values).transform("nunique") > 1
    if not straddling.any():
        return None
    first = sorted(record_ids[straddling].unique())[:IDS_SHOWN]
    return f"{values[straddling].nunique():,} times in two splits the same {what}; first records: {', '.join(first)}"
