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

    Source: Northcutt, Jiang and Chuang 2021, Confident Learning, as cleanlab has it (`prune_by_noise_rate`).
    """
    from cleanlab.filter import find_label_issues

    found = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return np.asarray(found, dtype=np.int64)


def noise(labels: IntArray, probabilities: FloatArray) -> float:
    """The estimated share of wrong labels: what the joint of given and true labels has off its diagonal."""
    from cleanlab.count import estimate_joint

    return float(1 - np.trace(estimate_joint(labels, probabilities)))
