"""Proof that no two splits share a record, a group or a text."""

import re

import pandas as pd

from tasks.errors import PromiseError, listed

IDS_SHOWN = 3
WORD = re.compile(r"\w+")
SAME_WORDS = "text but for case and punctuation (prepare.near_duplicate_similarity drops such records)"


def refuse_leaks(rows: pd.DataFrame, splits: pd.Series, keys: pd.Series, content: str) -> None:
    """Raise PromiseError when a record_id, a group key or a text's words stand in two splits; say which records.

    `content` names the column of the text; `splits` and `keys` are aligned with `rows`.
    """
    shared_by = {"record_id": rows["record_id"], "group": keys, SAME_WORDS: rows[content].map(words)}
    faults = [fault for what, values in shared_by.items() if (fault := _leak(what, values, splits, rows["record_id"]))]
    if faults:
        raise PromiseError(listed(faults, "the splits leak"))


def words(text: str) -> str:
    """The text's words in lower case with one blank between; a text without words is itself."""
    folded = text.casefold()
    return " ".join(WORD.findall(folded)) or folded


def _leak(what: str, values: pd.Series, splits: pd.Series, record_ids: pd.Series) -> str | None:
    """One line on the values that stand in two splits or more, or None."""
    straddling = splits.groupby(values).transform("nunique") > 1
    if not straddling.any():
        return None
    first = sorted(record_ids[straddling].unique())[:IDS_SHOWN]
    return f"{values[straddling].nunique():,} times in two splits the same {what}; first records: {', '.join(first)}"
