"""The champion's reference window: what later traffic is compared with."""

import hashlib
from collections.abc import Sequence

import pandas as pd

SALT = "reference:"
"""Another salt would draw other rows."""


def text_statistics(texts: Sequence[str]) -> pd.DataFrame:
    """For each text its `characters`, `words` and `non_letter_share` (of the characters that are no blanks)."""
    visible = ["".join(text.split()) for text in texts]
    return pd.DataFrame(
        {
            "characters": pd.Series([len(text) for text in texts], dtype="int64"),
            "words": pd.Series([len(text.split()) for text in texts], dtype="int64"),
            "non_letter_share": pd.Series(
                [sum(not c.isalpha() for c in text) / max(len(text), 1) for text in visible], dtype="float64"
            ),
        }
    )


def reference_window(statistics: pd.DataFrame, predictions: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The statistics of at most `rows` test rows: those with the lowest salted hash, so that a new record moves few others."""
    table = pd.concat(
        [
            predictions[["record_id"]],
            statistics,
            predictions[["domain", "predicted", "confidence"]],
        ],
        axis=1,
    )
    ranks = table["record_id"].map(lambda name: hashlib.sha256(f"{SALT}{name}".encode()).hexdigest())
    return table.loc[ranks.sort_values(kind="stable").index[:rows]].reset_index(drop=True)
