"""Label rows: their table, and what each counts for, wherever they are read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.recipe import Ratings
from tasks.records import LABEL_COLUMNS, typed


def newest_answers(labels: pd.DataFrame) -> pd.DataFrame:
    """The label rows that count: of several by one annotator on one record the newest (without times: the last row).

    Rows without an annotator are all kept: two of them may well be two people. A row without a label takes the answer
    of its time back, so that nothing of this annotator counts unless a newer answer came.
    """
    rows = labels.assign(taken_back=labels["label"].isna())
    in_time = rows.sort_values(["labelled_at", "taken_back"], kind="stable", na_position="first")
    repeated = in_time["annotator"].notna() & in_time.duplicated(["record_id", "annotator"], keep="last")
    counting = in_time[~repeated & ~in_time["taken_back"]]
    return counting.drop(columns="taken_back").sort_index().reset_index(drop=True)


def label_table(rows: Sequence[Mapping[Any, Any]], source: str) -> pd.DataFrame:
    """The rows in the columns of a label shard, typed."""
    texts = {name: pd.Series([row.get(name) for row in rows], dtype="str") for name in LABEL_COLUMNS[:3]}
    seconds = pd.to_numeric(pd.Series([row.get("seconds") for row in rows], dtype="object")).astype("float64")
    times = pd.Series([row.get("labelled_at") for row in rows], dtype="str")
    columns = {**texts, "labelled_at": times, "seconds": seconds, "source": source}
    return typed(pd.DataFrame(columns).astype({"source": "str"}))


def rating_within(label: str, scale: Ratings) -> bool:
    """Whether the label is a number on the scale."""
    try:
        return scale.low <= float(label) <= scale.high
    except ValueError:
        return False


def classes_of_ratings(ratings: npt.NDArray[np.float64], scale: Ratings) -> npt.NDArray[np.int64]:
    """The class position of each rating: below the first cut 0, at or above it 1, and so on; -1 out of range or NaN."""
    within = (ratings >= scale.low) & (ratings <= scale.high)
    return np.where(within, np.searchsorted(scale.cuts, ratings, side="right"), -1)
