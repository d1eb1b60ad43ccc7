"""Each record's class probabilities by Dawid and Skene: annotators who err less count more. Only here: crowd-kit."""

import warnings
from typing import cast

import pandas as pd

from tasks.errors import RecipeError, listed

ITERATIONS = 100


def class_probabilities(votes: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """One row a record (index record_id, sorted), one column a class, rows that sum to 1.

    Source: Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm, Journal of
    the Royal Statistical Society C 28 (1979), as crowd-kit computes it: expectation maximisation from the label shares,
    at most 100 rounds. Raises RecipeError when a label has no annotator: an error rate needs somebody who errs.
    """
    _refuse_anonymous(votes)
    if votes.empty:
        return pd.DataFrame(columns=list(classes), index=pd.Index([], name="record_id", dtype="str"), dtype="float64")
    estimated = _estimated(votes)
    named = estimated.reindex(columns=[f"class {position}" for position in range(len(classes))], fill_value=0.0)
    named.columns = pd.Index(classes)
    probabilities = named.rename_axis("record_id").sort_index()
    return probabilities.div(probabilities.sum(axis=1), axis=0)


def _estimated(votes: pd.DataFrame) -> pd.DataFrame:
    """crowd-kit's probabilities; classes go in as `class 0`, for it joins them as columns beside its own names."""
    with warnings.catch_warnings():
        # crowd-kit 1.4 still passes `copy=` to pandas.
        warnings.filterwarnings("ignore", message="The copy keyword is deprecated")
        from crowdkit.aggregation import DawidSkene

        answers = pd.DataFrame(
            {
                "task": votes["record_id"],
                "worker": votes["annotator"],
                "label": "class " + votes["class_index"].astype(str),
            }
        )
        return cast("pd.DataFrame", DawidSkene(n_iter=ITERATIONS).fit(answers).probas_)


def _refuse_anonymous(votes: pd.DataFrame) -> None:
    anonymous = votes[votes["annotator"].isna()].groupby("source").size()
    if anonymous.empty:
        return
    faults = [f"{source} has {rows} labels without an annotator" for source, rows in anonymous.items()]
    raise RecipeError(
        listed(
            faults,
            "labels.consensus: dawid_skene learns how often each annotator errs, and the order of anonymous labels"
            " carries no identity; write majority (or mean, for ratings), or name the annotator column in the source",
        )
    )
