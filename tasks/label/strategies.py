"""Which records to ask about: pure functions of vectors, probabilities and a seed; each gives row positions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

PREFILTER = 10
"""How many times the wanted number of most uncertain rows is clustered (Zhdanov 2019 calls it beta)."""

COMMITTEE = 5
"""Models that vote (Dagan and Engelson 1995 use few, too)."""

NEWEST = 3
"""The same for the rows that look least like what is labelled: beyond that they are old soon."""

KMEANS_ROUNDS = 20


@dataclass(frozen=True)
class Candidates:
    """What a strategy may look at. Vectors take long to make, so they are made of the rows that are asked for."""

    count: int
    vectors: Callable[[IntArray], FloatArray]
    """The vectors (each of length 1) of the candidates at these positions."""
    probabilities: FloatArray | None
    """Of each class by the champion, candidates x classes; None while there is no champion."""
    labelled: Callable[[], tuple[FloatArray, IntArray]]
    """Vectors and classes of records that have labels already (a sample is enough); may be empty."""

    @property
    def everyone(self) -> IntArray:
        """The positions of all candidates."""
        return np.arange(self.count)


def random(candidates: Candidates, wanted: int, rng: np.random.Generator) -> IntArray:
    """Any rows: the control that every other strategy has to beat."""
    return np.asarray(rng.permutation(candidates.count)[:wanted], dtype=np.int64)


def uncertain(candidates: Candidates, wanted: int, rng: np.random.Generator) -> IntArray:
    """The rows with the smallest margin between the two most probable classes (Scheffer et al. 2001)."""
    return _highest(-margins(_probabilities(candidates)), wanted, rng)


def diverse(candidates: Candidates, wanted: int, rng: np.random.Generator) -> IntArray:
    """One typical row of each of `wanted` clusters (k-means; cf. Hacohen et al. 2022, TypiClust)."""
    return _one_a_cluster(candidates.vectors(candidates.everyone), np.ones(candidates.count), wanted, rng)


def uncertain_diverse(candidates: Candidates, wanted: int, rng: np.random.Generator) -> IntArray:
    """One row a cluster of the most uncertain ones, k-means weighted by uncertainty (Zhdanov 2019)."""
    doubts = 1 - margins(_probabilities(candidates))
    return _spread(candidates, doubts, wanted, rng, PREFILTER)


def drifted(candidates: Candidates, wanted: int, rng: np.random.Generator) -> IntArray:
    """Rows that look least like what has labels, spread out.

    A logistic regression tells candidates from labelled records (Gissin and Shalev-Shwartz 2019, discriminative active
    learning): its probability is how new a row is. Without labelled records everything is new.
    """
    known, _ = candidates.labelled()
    if not len(known):
        return diverse(candidates, wanted, rng)
    own = candidates.vectors(candidates.everyone)
    is_new = np.arange(len(own) + len(known)) < len(own)
    novelty = _fitted(np.vstack([own, known]), is_new.astype(np.int64), 1.0)(own)[:, 1]
    return _spread(candidates, novelty, wanted, rng, NEWEST)


def disagreement(candidates: Candidates, wanted: int, rng: np.random.Generator) -> IntArray:
    """The rows over which a committee is most at odds (vote entropy, Dagan and Engelson 1995).

    Each member is a logistic regression on a bootstrap of the labelled records' vectors. Raises ValueError when those
    are of one class.
    """
    known, classes = candidates.labelled()
    if len(np.unique(classes)) < len(("one", "other")):
        raise ValueError("a committee needs labelled records of two classes")
    own = candidates.vectors(candidates.everyone)
    votes = np.stack([_vote(own, known, classes, rng) for _ in range(COMMITTEE)], axis=1)
    shares = np.stack([(votes == name).mean(axis=1) for name in np.unique(votes)], axis=1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1)
    return _highest(entropy, wanted, rng)


STRATEGIES: dict[str, Callable[[Candidates, int, np.random.Generator], IntArray]] = {
    "uncertain_diverse": uncertain_diverse,
    "uncertain": uncertain,
    "diverse": diverse,
    "drifted": drifted,
    "disagreement": disagreement,
    "random": random,
}
"""By the recipe's name."""


def margins(probabilities: FloatArray) -> FloatArray:
    """The most probable class's probability minus the second's, a row each: 0 is the greatest doubt."""
    ordered = np.sort(probabilities, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _probabilities(candidates: Candidates) -> FloatArray:
    if candidates.probabilities is None:
        raise ValueError("uncertainty needs a model's probabilities")
    return candidates.probabilities


def _highest(scores: FloatArray, wanted: int, rng: np.random.Generator) -> IntArray:
    """The positions of the highest scores, ties by lot."""
    return np.asarray(np.lexsort((rng.random(len(scores)), -scores))[:wanted], dtype=np.int64)


def _spread(candidates: Candidates, weights: FloatArray, wanted: int, rng: np.random.Generator, times: int) -> IntArray:
    """One row a cluster among the `times` * wanted rows of the greatest weight."""
    first = _highest(weights, times * wanted, rng)
    return first[_one_a_cluster(candidates.vectors(first), weights[first], wanted, rng)]


def _one_a_cluster(vectors: FloatArray, weights: FloatArray, wanted: int, rng: np.random.Generator) -> IntArray:
    """The row nearest to each of `wanted` centres of weighted k-means; a cluster without a row of its own by weight."""
    if wanted >= len(vectors):
        return np.arange(len(vectors))
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    means = MiniBatchKMeans(
        wanted, init="random", n_init=1, max_iter=KMEANS_ROUNDS, batch_size=4096, random_state=int(rng.integers(2**31))
    )
    with threadpool_limits(1):  # so small that threads would only wait for each other
        means.fit(vectors, sample_weight=np.maximum(weights, 1e-6))
    distances = np.linalg.norm(vectors - means.cluster_centers_[means.labels_], axis=1)
    order = np.lexsort((distances, means.labels_))
    nearest = order[np.unique(means.labels_[order], return_index=True)[1]]
    rest = np.setdiff1d(_highest(weights, len(weights), rng), nearest, assume_unique=True)
    return np.asarray(np.concatenate([nearest, rest[: wanted - len(nearest)]]), dtype=np.int64)


def _vote(own: FloatArray, known: FloatArray, classes: IntArray, rng: np.random.Generator) -> IntArray:
    """One member's classes for its `own` rows; its bootstrap of the known ones holds two classes at least."""
    rows = rng.integers(len(classes), size=len(classes))
    while len(np.unique(classes[rows])) < len(("one", "other")):
        rows = rng.integers(len(classes), size=len(classes))
    answers = _fitted(known[rows], classes[rows], 10.0)(own)
    return np.asarray(np.unique(classes[rows])[answers.argmax(axis=1)], dtype=np.int64)


def _fitted(vectors: FloatArray, classes: IntArray, c: float) -> Callable[[FloatArray], FloatArray]:
    """Class probabilities by a logistic regression on these rows."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return LogisticRegression(C=c, max_iter=1000).fit(vectors, classes).predict_proba  # type: ignore[no-any-return]
