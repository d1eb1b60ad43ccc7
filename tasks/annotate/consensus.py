"""One answer a record out of many opinions."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.annotate.dawid_skene import class_probabilities
from tasks.label_rows import classes_of_ratings
from tasks.recipe import Labels

DECIMALS = 9
"""Means and probabilities are rounded so far: a mean that lies on a cut must not miss it by a float's last bit."""


def class_shares(votes: pd.DataFrame, scheme: Labels) -> pd.DataFrame:
    """How much opinion stands behind each class: index record_id (sorted), a column a class, rows that sum to 1.

    The share of the record's labels, or under `dawid_skene` the probability of the class.
    """
    if scheme.consensus == "dawid_skene":
        return class_probabilities(votes, scheme.classes)
    codes, record_ids = pd.factorize(votes["record_id"], sort=True)
    n_classes = len(scheme.classes)
    cells = np.bincount(codes * n_classes + votes["class_index"], minlength=len(record_ids) * n_classes)
    counts = cells.reshape(len(record_ids), n_classes)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return pd.DataFrame(shares, index=pd.Index(record_ids, name="record_id", dtype="str"), columns=list(scheme.classes))


def consensus(votes: pd.DataFrame, shares: pd.DataFrame, scheme: Labels) -> pd.DataFrame:
    """One row a record, ordered by record_id: label, rating (mean, NaN without ratings), n_labels, agreement, shares.

    `mean`: the class of the mean rating. `majority` and `dawid_skene`: the class with the largest share; of equal ones
    the first in the recipe's order. `agreement` is the share of the record's labels whose class is the consensus.
    """
    codes = shares.index.get_indexer(pd.Index(votes["record_id"]))
    n_labels = np.bincount(codes, minlength=len(shares))
    ratings = mean_ratings(codes, votes["rating"].to_numpy(), n_labels)
    winners = _winners(shares, ratings, scheme)
    agreeing = np.bincount(codes, weights=votes["class_index"] == winners[codes], minlength=len(shares))
    table = pd.DataFrame(
        {
            "record_id": shares.index.astype("str"),
            "label": pd.array(np.array(scheme.classes, dtype=object)[winners], dtype="str"),
            "rating": ratings,
            "n_labels": n_labels.astype(np.int64),
            "agreement": agreeing / np.maximum(n_labels, 1),
        }
    )
    return table.assign(**{f"share_{name}": shares[name].to_numpy() for name in scheme.classes})


def mean_ratings(
    codes: npt.NDArray[np.int64], ratings: npt.NDArray[np.float64], n_labels: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """The mean rating of each record; `codes` says to which record each rating belongs. A mean of -0.0 is 0.0."""
    totals = np.bincount(codes, weights=ratings, minlength=len(n_labels))
    means: npt.NDArray[np.float64] = np.round(totals / np.maximum(n_labels, 1), DECIMALS) + 0.0
    return means


def _winners(shares: pd.DataFrame, ratings: npt.NDArray[np.float64], scheme: Labels) -> npt.NDArray[np.int64]:
    """The consensus' position in the scheme's classes, a record each."""
    if scheme.consensus == "mean" and scheme.ratings:
        return classes_of_ratings(ratings, scheme.ratings)
    largest: npt.NDArray[np.int64] = np.round(shares.to_numpy(dtype=np.float64), DECIMALS).argmax(axis=1)
    return largest
