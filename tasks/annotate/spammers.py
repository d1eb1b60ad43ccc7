"""Annotators whose answers say nothing about the record: as if they clicked at random."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROUNDS = 20
PRIOR = 0.1
"""How many of the annotators are expected to click at random, before anything was seen."""
FIRST_ACCURACY = 0.8
"""Of the crowd, before anything was seen; it is learned within a few rounds."""

LIKENESS = 3.0
"""How like the crowd an honest annotator is, in answers to each class: fewer lets each differ more."""

FloatArray = NDArray[np.float64]


def suspected(votes: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """The annotators who more probably click at random than not: annotator, n_labels, p_random (0 to 1), worst first."""
    found = random_clicking(votes, classes)
    return found[found["p_random"] > 1 / 2].sort_values("p_random", ascending=False).reset_index(drop=True)


def random_clicking(votes: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Each named annotator with n_labels and p_random, the probability that they click at random.

    A mixture of two kinds of annotators, by expectation maximisation: those with a confusion matrix of their own, more
    or less like the crowd's (Dawid and Skene 1979, its rows Dirichlet as in Kim and Ghahramani 2012, so that sixteen
    answers are enough), and those whose answers are uniform whatever is true (spammers, Raykar and Yu 2012). What is
    true of a record is told by the others' answers alone, each counted by how honest its annotator seems.
    """
    named = votes[votes["annotator"].notna()]
    records, _ = pd.factorize(named["record_id"])
    people, names = pd.factorize(named["annotator"])
    answers = named["class_index"].to_numpy()
    p_random = _mixture(records, people, answers, len(classes)) if len(named) else np.zeros(0)
    counts = np.bincount(people, minlength=len(names))
    return pd.DataFrame(
        {
            "annotator": pd.array(np.asarray(names), dtype="str"),
            "n_labels": counts.astype("int64"),
            "p_random": p_random,
        }
    )


def _mixture(
    records: NDArray[np.intp], people: NDArray[np.intp], answers: NDArray[np.int64], n_classes: int
) -> FloatArray:
    """The probability of random clicks, by annotator."""
    n_people, n_records = int(people.max()) + 1, int(records.max()) + 1
    off = (1 - FIRST_ACCURACY) / max(1, n_classes - 1)
    confusion = np.full((n_classes, n_classes), off) + np.eye(n_classes) * (FIRST_ACCURACY - off)
    classes = np.bincount(answers, minlength=n_classes) / len(answers)
    p_random = np.full(n_people, PRIOR)
    for _ in range(ROUNDS):
        honest = (1 - p_random)[people]
        evidence = honest[:, None] * np.log(confusion.T[answers])
        whole = np.log(np.maximum(classes, 1e-9)) + _summed(evidence, records, n_records)
        others = _softmax(whole[records] - evidence)
        counts = _counts(others, people, answers, n_people)
        against = -np.log(n_classes) * counts.sum(axis=(1, 2)) - _marginal(counts, LIKENESS * confusion)
        p_random = 1 / (1 + np.exp(-np.clip(against + np.log(PRIOR / (1 - PRIOR)), -500, 500)))
        crowd = np.einsum("p,pka->ka", 1 - p_random, counts) + 1
        confusion = crowd / crowd.sum(axis=1, keepdims=True)
        classes = _softmax(whole).mean(axis=0)
    return np.asarray(p_random)


def _summed(rows: FloatArray, groups: NDArray[np.intp], n_groups: int) -> FloatArray:
    """The sums of the rows of each group."""
    columns = [np.bincount(groups, weights=column, minlength=n_groups) for column in rows.T]
    return np.stack(columns, axis=1)


def _softmax(logs: FloatArray) -> FloatArray:
    shifted = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _counts(others: FloatArray, people: NDArray[np.intp], answers: NDArray[np.int64], n_people: int) -> FloatArray:
    """How often each annotator gave each answer to records of each class: annotators x classes x answers."""
    n_classes = others.shape[1]
    cells = [
        [np.bincount(people, weights=others[:, k] * (answers == a), minlength=n_people) for a in range(n_classes)]
        for k in range(n_classes)
    ]
    return np.moveaxis(np.array(cells), 2, 0)


def _marginal(counts: FloatArray, alpha: FloatArray) -> FloatArray:
    """The log probability of each annotator's answers when rows of a confusion matrix are Dirichlet(alpha)."""
    from scipy.special import gammaln

    rows = gammaln(alpha.sum(axis=1)) - gammaln(alpha.sum(axis=1) + counts.sum(axis=2))
    cells = gammaln(alpha + counts) - gammaln(alpha)
    return np.asarray(rows.sum(axis=1) + cells.sum(axis=(1, 2)))
