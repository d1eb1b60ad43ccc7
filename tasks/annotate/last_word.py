"""Records that went to review: the answer given there is the consensus, whatever the others said."""

import numpy as np
import pandas as pd

from tasks.records import ADJUDICATED


def deciding(votes: pd.DataFrame) -> pd.DataFrame:
    """The votes that decide: of a record that was reviewed those of the review alone, of the others all."""
    reviewed = votes["source"] == ADJUDICATED
    settled = votes["record_id"].isin(votes.loc[reviewed, "record_id"])
    return votes[reviewed | ~settled].reset_index(drop=True)


def of_annotators(votes: pd.DataFrame) -> pd.DataFrame:
    """The votes without those of the review: agreement is that of people who did not know each other's answers."""
    return votes[votes["source"] != ADJUDICATED].reset_index(drop=True)


def counted_over_all(agreed: pd.DataFrame, votes: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """The consensus with `n_labels` and `agreement` over every vote, also those that the review overruled."""
    codes = pd.Index(agreed["record_id"]).get_indexer(pd.Index(votes["record_id"]))
    winners = pd.Index(classes).get_indexer(pd.Index(agreed["label"]))
    n_labels = np.bincount(codes, minlength=len(agreed)).astype(np.int64)
    agreeing = np.bincount(codes, weights=votes["class_index"] == winners[codes], minlength=len(agreed))
    return agreed.assign(n_labels=n_labels, agreement=agreeing / np.maximum(n_labels, 1))
