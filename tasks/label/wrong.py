"""Labels that are probably wrong, by confident learning on out-of-fold predictions. The only importer of cleanlab."""

import numpy as np
from numpy.typing import NDArray

FOLDS = 5

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]


def out_of_fold(vectors: FloatArray, labels: IntArray, n_classes: int, seed: int) -> FloatArray:
    """Probabilities (rows x classes) by logistic regressions that have not seen the row; folds hold each class alike."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    probabilities = np.zeros((len(labels), n_classes))
    for known, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(vectors, labels):
        model = LogisticRegression(C=10.0, max_iter=1000).fit(vectors[known], labels[known])
        probabilities[np.ix_(held_out, model.classes_)] = model.predict_proba(vectors[held_out])
    return probabilities


def suspects(labels: IntArray, probabilities: FloatArray) -> IntArray:
    """The positions of labels that are probably wrong, the least believed first.

    Source: Northcutt, Jiang and Chuang 2021, Confident Learning, as cleanlab has it (`low_self_confidence`: as many as the
    joint of given and true labels has off its diagonal). Of flipped labels it finds more, and fewer others, than the
    library's default (bench/RESULTS.md).
    """
    from cleanlab.filter import find_label_issues

    found = find_label_issues(
        labels,
        probabilities,
        filter_by="low_self_confidence",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return np.asarray(found, dtype=np.int64)


def noise(labels: IntArray, probabilities: FloatArray) -> float:
    """The estimated share of wrong labels: what the joint of given and true labels has off its diagonal.

    It takes for noise of the labels whatever the model cannot tell apart: a bound, not a figure, where the model errs
    often.
    """
    from cleanlab.count import estimate_joint

    return float(1 - np.trace(estimate_joint(labels, probabilities)))


def share(labels: IntArray, probabilities: FloatArray, heard: FloatArray) -> float:
    """The estimated share of wrong labels, where `heard` is what is believed after all votes (see `with_votes`).

    Labels of several people by what they leave open, those of one by `noise`.
    """
    single = (probabilities == heard).all(axis=1)
    open_share = 1 - heard[np.arange(len(labels)), labels]
    if len(np.unique(labels[single])) == probabilities.shape[1]:
        open_share[single] = noise(labels[single], probabilities[single])
    return float(open_share.mean())


def with_votes(probabilities: FloatArray, votes: IntArray) -> FloatArray:
    """What is believed of each row after its `votes` (rows x classes, how many people said what) were heard as well.

    Bayes' rule with people who err alike and independently (the one-coin model of Dawid and Skene 1979); how often they
    are right is told by how often two people agree on a row. A row with one vote keeps the model's belief: that vote is
    the label in question.
    """
    n_classes = votes.shape[1]
    counts = votes.sum(axis=1)
    shared = counts > 1
    if not shared.any():
        return probabilities
    right = _right(votes[shared])
    heard = votes * np.log(right) + (counts[:, None] - votes) * np.log((1 - right) / (n_classes - 1))
    logs = np.log(np.maximum(probabilities, 1e-12)) + heard
    beliefs = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.where(shared[:, None], beliefs / beliefs.sum(axis=1, keepdims=True), probabilities)


def _right(votes: IntArray) -> float:
    """How often one person is right, from the pairs that agree: right^2 + (1 - right)^2 / (classes - 1) of them."""
    counts, others = votes.sum(axis=1), votes.shape[1] - 1
    agreeing = float((votes * (votes - 1)).sum() / (counts * (counts - 1)).sum())
    chance = 1 / (others + 1)
    right = chance + np.sqrt(max(0.0, (agreeing - chance) * others / (others + 1)))
    return float(np.clip(right, chance + 0.01, 0.99))
