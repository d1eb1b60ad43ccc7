"""The champion's reference window: what later traffic is compared with."""

import hashlib
from collections.abc import Sequence

import pandas as pd

from tasks.texts import counts

SALT = "reference:"
"""Another salt would draw other rows."""


def text_statistics(texts: Sequence[str]) -> pd.DataFrame:
    """For each text its `characters`, `words` and `non_letter_share`, as `tasks.texts` counts them."""
    counted = [counts(text) for text in texts]
    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in counted], dtype=dtype)
            for name, dtype in (("characters", "int64"), ("words", "int64"), ("non_letter_share", "float64"))
        }
    )


def reference_window(test: pd.DataFrame, predictions: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most `rows` test rows: those with the lowest salted hash, so that a new record moves few others."""
    table = pd.concat(
        [
            predictions[["record_id"]],
            text_statistics(test["text"].tolist()),
            predictions[["domain", "predicted", "confidence"]],
        ],
        axis=1,
    )
    ranks = table["record_id"].map(lambda name: hashlib.sha256(f"{SALT}{name}".encode()).hexdigest())
    return table.loc[ranks.sort_values(kind="stable").index[:rows]].reset_index(drop=True)
