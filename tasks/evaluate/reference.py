"""The champion's reference window: what later traffic is compared with."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks import tides
from tasks.texts import counts

if TYPE_CHECKING:
    from tasks.inference import Model

SALT = "reference:"
"""Another salt would draw other rows."""

ENOUGH = 100
"""Rows. Fewer would be a reference against which no shift is seen."""


def text_statistics(texts: Sequence[str]) -> pd.DataFrame:
    """For each text its `characters`, `words` and `non_letter_share`, as `tasks.texts` counts them."""
    counted = [counts(text) for text in texts]
    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in counted], dtype=dtype)
            for name, dtype in (("characters", "int64"), ("words", "int64"), ("non_letter_share", "float64"))
        }
    )


def reference_window(statistics: pd.DataFrame, predictions: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The statistics of at most `rows` test rows: those with the lowest salted hash, so that a new record moves few others.

    Of the newest tide alone, when it has ENOUGH test rows: they are a fair sample of the traffic as it is now, and what
    came before is no longer what later traffic should look like.
    """
    table = pd.concat(
        [
            predictions[["record_id"]],
            statistics,
            predictions[["domain", "predicted", "confidence"]],
            (predictions["label"] == predictions["predicted"]).rename("right"),
        ],
        axis=1,
    )
    tide = table["domain"].astype("str").fillna("").map(tides.number)
    newest = table[tide == tide.max()] if len(table) else table
    if len(newest) >= ENOUGH:
        table = newest
    ranks = table["record_id"].map(lambda name: hashlib.sha256(f"{SALT}{name}".encode()).hexdigest())
    return table.loc[ranks.sort_values(kind="stable").index[:rows]].reset_index(drop=True)


def with_embeddings(reference: pd.DataFrame, contents: "pd.Series[Any]", model: "Model") -> pd.DataFrame:
    """The reference with a column `embedding` (float16) of the served model, or as it is if the model gives none.

    `contents` are the test rows' by record_id; each has a pass of its own, as the endpoint may answer it.
    """
    rows = model.encoder.rows(contents.loc[reference["record_id"]].tolist())
    if not rows or model.answers(rows[:1]).embeddings is None:
        return reference
    with ThreadPoolExecutor(model.threads) as pool:
        answers = pool.map(lambda row: model.answers([row]).embeddings, rows)
        vectors = [np.asarray(found, dtype=np.float16)[0] for found in answers]
    return reference.assign(embedding=vectors)
