"""What a label row counts for, wherever label rows are read."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.recipe import Ratings


def newest_answers(labels: pd.DataFrame) -> pd.DataFrame:
    """The label rows, of several by one annotator on one record only the newest (without times: the last row).

    Rows without an annotator are all kept: two of them may well be two people.
    """
    in_time = labels.sort_values("labelled_at", kind="stable", na_position="first")
    repeated = in_time["annotator"].notna() & in_time.duplicated(["record_id", "annotator"], keep="last")
    return in_time[~repeated].sort_index().reset_index(drop=True)


def classes_of_ratings(ratings: npt.NDArray[np.float64], scale: Ratings) -> npt.NDArray[np.int64]:
    """The class position of each rating: below the first cut 0, at or above it 1, and so on; -1 out of range or NaN."""
    within = (ratings >= scale.low) & (ratings <= scale.high)
    return np.where(within, np.searchsorted(scale.cuts, ratings, side="right"), -1)
