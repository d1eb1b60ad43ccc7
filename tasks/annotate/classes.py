"""What label rows say: class names as they are, ratings through the recipe's cuts."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.errors import PromiseError, listed
from tasks.label_rows import classes_of_ratings, newest_answers
from tasks.recipe import Labels

FAULTS_SHOWN = 20


def votes(labels: pd.DataFrame, scheme: Labels) -> pd.DataFrame:
    """Columns record_id, annotator, source, class_index (position in the classes), rating (NaN without ratings).

    A row without a label (null: taken back) is no vote. An annotator who answers a record again is heard once, with the
    newest answer. Raises PromiseError that lists every wording that is no class, or no rating in range.
    """
    answers = newest_answers(labels)
    codes, wordings = pd.factorize(pd.Index(answers["label"], dtype="str"))
    ratings = np.array([rating_value(wording) if scheme.ratings else np.nan for wording in wordings], dtype=np.float64)
    class_indices = _class_indices(wordings, ratings, scheme)
    _refuse_unknown(answers, set(wordings[class_indices < 0]), scheme)
    kept = answers[["record_id", "annotator", "source"]]
    return kept.assign(class_index=class_indices[codes], rating=ratings[codes])


def rating_value(wording: str) -> float:
    """The number that a label says, NaN when it says none."""
    try:
        return float(wording)
    except ValueError:
        return float("nan")


def _class_indices(wordings: pd.Index, ratings: npt.NDArray[np.float64], scheme: Labels) -> npt.NDArray[np.int64]:
    """The class position of each wording, -1 where it is unknown."""
    if scheme.ratings:
        return classes_of_ratings(ratings, scheme.ratings)
    return pd.Index(scheme.classes, dtype="str").get_indexer(wordings).astype(np.int64)


def _refuse_unknown(answers: pd.DataFrame, unknown: set[str], scheme: Labels) -> None:
    if not unknown:
        return
    counts = answers[answers["label"].isin(unknown)].groupby(["source", "label"]).size().reset_index(name="rows")
    wanted = _wanted(scheme)
    faults = [f"{row.label!r} of {row.source} ({row.rows} rows) is {wanted}" for row in counts.itertuples()]
    rest = [f"and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
    key = "labels.ratings" if scheme.ratings else "labels.classes"
    raise PromiseError(listed(faults[:FAULTS_SHOWN] + rest, f"labels (mend the source, or {key} of the recipe)"))


def _wanted(scheme: Labels) -> str:
    if scheme.ratings:
        return f"no number from {scheme.ratings.low:g} to {scheme.ratings.high:g}"
    return f"none of the classes {', '.join(scheme.classes)}"
