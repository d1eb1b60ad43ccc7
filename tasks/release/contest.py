"""Two models before the same test rows: how far apart they are, and whether luck explains it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.recipe import Gate
from tasks.statistics import STATISTICS, FloatArray, IntArray, Metric, Resampling, replicates, tallies

SEED = 17
MOST_SAMPLES = 100_000
TAIL = 20
"""Resamples that should lie beyond an end of an interval, so that the end is no single draw."""


@dataclass(frozen=True)
class Answers:
    """A model's answers: the number of the class it found most probable, and that probability."""

    predicted: IntArray
    confidence: FloatArray


@dataclass(frozen=True)
class Contest:
    """The same test rows, answered by both; one entry a row everywhere, a class is its number."""

    truth: IntArray
    challenger: Answers
    champion: Answers
    slices: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """For each way of slicing the name of every row's slice."""

    @property
    def n_classes(self) -> int:
        """One more than the largest number of a class."""
        return 1 + max(int(codes.max()) for codes in (self.truth, self.challenger.predicted, self.champion.predicted))

    def of(self, rows: NDArray[np.bool_]) -> "Contest":
        """The same contest on some of the rows."""
        parts = [Answers(who.predicted[rows], who.confidence[rows]) for who in (self.challenger, self.champion)]
        cut = {way: names[rows] for way, names in self.slices.items()}
        return replace(self, truth=self.truth[rows], challenger=parts[0], champion=parts[1], slices=cut)


@dataclass(frozen=True)
class Advantage:
    """The challenger's metric minus the champion's, and the same difference in each resample of the rows."""

    estimate: float
    resampled: FloatArray

    @property
    def error(self) -> float:
        """The standard error: the spread of the resamples (Efron and Tibshirani 1993, chapter 6)."""
        return float(self.resampled.std(ddof=1))

    def low(self, alpha: float) -> float:
        """The lower end of the one-sided interval of 1 - alpha (percentile bootstrap, ibid. chapter 13)."""
        return float(np.quantile(self.resampled, alpha))

    def high(self, alpha: float) -> float:
        """Its counterpart above."""
        return float(np.quantile(self.resampled, 1 - alpha))


def enough_samples(gate: Gate, alpha: float) -> int:
    """As many resamples as the gate asks for, more where alpha is small."""
    return min(MOST_SAMPLES, max(gate.bootstrap_samples, math.ceil(TAIL / alpha)))


def advantage(contest: Contest, metric: Metric, samples: int) -> Advantage:
    """Paired and stratified: both see the same rows in each resample, and each domain keeps its number of rows."""
    width = 3 * contest.n_classes
    both = np.hstack([_tallies(contest, contest.challenger), _tallies(contest, contest.champion)])

    def difference(totals: FloatArray) -> FloatArray:
        return STATISTICS[metric](totals[..., :width]) - STATISTICS[metric](totals[..., width:])

    domains = contest.slices.get("domain")
    strata = None if domains is None else np.unique(domains, return_inverse=True)[1].astype(np.int64)
    resampled = replicates(both, difference, Resampling(samples, 0.5, SEED), strata)
    return Advantage(float(difference(both.sum(axis=0))), resampled)


def _tallies(contest: Contest, answers: Answers) -> FloatArray:
    return tallies(contest.truth, answers.predicted, contest.n_classes)


def luck(contest: Contest, metric: Metric, samples: int) -> float:
    """The one-sided p-value that the challenger is no better: how often luck alone brings so large an advantage.

    Accuracy: McNemar's exact conditional test (Fagerland, Lydersen and Laake 2013, equation 3; their mid-p variant may
    exceed the level by a little, this one never does). F1: the same idea for a metric that is no sum, the answers of
    a row are swapped by a coin's fall (approximate randomisation: Noreen 1989, Yeh 2000), which is valid for few rows
    too, where the bootstrap is not: it calls four lucky rows of any number shown.
    """
    if metric == "accuracy":
        return _mcnemar(contest)
    return _swapped(contest, metric, samples)


def _mcnemar(contest: Contest) -> float:
    from scipy.stats import binom

    mine, theirs = (who.predicted == contest.truth for who in (contest.challenger, contest.champion))
    won, lost = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
    return float(binom.sf(won - 1, won + lost, 0.5))


def _swapped(contest: Contest, metric: Metric, samples: int) -> float:
    """Rows that mean the same are swapped together: how many of them is a binomial draw."""
    mine, theirs = _tallies(contest, contest.challenger), _tallies(contest, contest.champion)
    moved, counts = np.unique(theirs - mine, axis=0, return_counts=True)
    changes = np.random.default_rng(SEED).binomial(counts, 0.5, size=(samples, len(counts))) @ moved
    statistic = STATISTICS[metric]
    observed = statistic(mine.sum(axis=0)) - statistic(theirs.sum(axis=0))
    drawn = statistic(mine.sum(axis=0) + changes) - statistic(theirs.sum(axis=0) - changes)
    # A tie by a rounding error is a tie; one draw more, the observed one, keeps the level (Phipson and Smyth 2010).
    return float((1 + (drawn >= observed - 1e-12).sum()) / (1 + samples))


def reversed_roles(contest: Contest) -> Contest:
    """The champion as challenger, to ask whether it is the better one."""
    return replace(contest, challenger=contest.champion, champion=contest.challenger)
