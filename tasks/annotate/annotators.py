"""How reliable each annotator is, where annotators are known."""

import pandas as pd

from tasks.recipe import Labels


def annotators(votes: pd.DataFrame, shares: pd.DataFrame, agreed: pd.DataFrame, scheme: Labels) -> pd.DataFrame:
    """One row an annotator with an id: annotator, n_labels, accuracy (estimated, 0 to 1). Empty when all are anonymous.

    Accuracy is the share of the annotator's labels that are the consensus class; under `dawid_skene` the mean
    probability of the classes that they chose, which is their confusion matrix's diagonal weighted by how often each
    class came before them. Records that nobody else labelled say nothing and are left out; with no other the accuracy
    is NaN. An annotator's own label is part of the consensus: with few labels a record that flatters.
    """
    rows = shares.index.get_indexer(pd.Index(votes["record_id"]))
    if scheme.consensus == "dawid_skene":
        right = shares.to_numpy()[rows, votes["class_index"]]
    else:
        consensus_indices = pd.Index(scheme.classes).get_indexer(pd.Index(agreed["label"]))
        right = (votes["class_index"].to_numpy() == consensus_indices[rows]).astype("float64")
    shared = agreed["n_labels"].to_numpy()[rows] > 1
    by_annotator = votes.assign(right=pd.Series(right, index=votes.index).where(shared)).groupby("annotator")
    table = by_annotator.agg(n_labels=("right", "size"), accuracy=("right", "mean")).reset_index()
    return table.astype({"annotator": "str", "n_labels": "int64", "accuracy": "float64"})
