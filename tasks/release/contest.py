"""Two models before the same test rows: how far apart they are, and whether luck explains it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.metric import Metric
from tasks.recipe import Gate
from tasks.statistics import LARGEST_DRAW, FloatArray, Resampling, replicates

SEED = 17
MOST_SAMPLES = 100_000
TAIL = 20
"""Resamples that should lie beyond an end of an interval, so that the end is no single draw."""


@dataclass(frozen=True)
class Answers:
    """A model's answers as the checks see them: what each row adds to sums."""

    contributions: FloatArray
    """To the metrics of the answers' family, rows by columns."""
    gaps: FloatArray | None = None
    """To the calibration error, rows by bins; None where answers are no probabilities."""

    def of(self, rows: NDArray[np.bool_]) -> "Answers":
        """The answers to some of the rows."""
        return Answers(self.contributions[rows], None if self.gaps is None else self.gaps[rows])


@dataclass(frozen=True)
class Contest:
    """The same test rows, answered by both; one entry a row everywhere."""

    metrics: Mapping[str, Metric]
    """Of the answers' family, by name."""
    challenger: Answers
    champion: Answers
    slices: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """For each way of slicing the name of every row's slice."""

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.challenger.contributions)

    def of(self, rows: NDArray[np.bool_]) -> "Contest":
        """The same contest on some of the rows."""
        cut = {way: names[rows] for way, names in self.slices.items()}
        return replace(self, challenger=self.challenger.of(rows), champion=self.champion.of(rows), slices=cut)


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


def advantage(contest: Contest, metric: str, samples: int) -> Advantage:
    """Paired and stratified: both see the same rows in each resample, and each domain keeps its number of rows."""
    mine, theirs = contest.challenger.contributions, contest.champion.contributions
    both, width, gain = np.hstack([mine, theirs]), mine.shape[1], contest.metrics[metric].gain

    def difference(totals: FloatArray) -> FloatArray:
        return gain(totals[..., :width], totals[..., width:])

    domains = contest.slices.get("domain")
    strata = None if domains is None else np.unique(domains, return_inverse=True)[1].astype(np.int64)
    resampled = replicates(both, difference, Resampling(samples, 0.5, SEED), strata)
    return Advantage(float(difference(both.sum(axis=0))), resampled)


def luck(contest: Contest, metric: str, samples: int) -> float:
    """The one-sided p-value that the challenger is no better: how often luck alone brings so large an advantage.

    A share of right rows: McNemar's exact conditional test (Fagerland, Lydersen and Laake 2013, equation 3; their mid-p
    variant may exceed the level by a little, this one never does). Others: the same idea for a metric that is no sum, the
    answers of a row are swapped by a coin's fall (approximate randomisation: Noreen 1989, Yeh 2000), which is valid for
    few rows too, where the bootstrap is not: it calls four lucky rows of any number shown.
    """
    if contest.metrics[metric].counts:
        return _mcnemar(contest, contest.metrics[metric])
    return _swapped(contest, contest.metrics[metric], samples)


def _mcnemar(contest: Contest, metric: Metric) -> float:
    from scipy.stats import binom

    gains = metric.gain(contest.challenger.contributions, contest.champion.contributions)
    won, lost = int((gains > 0).sum()), int((gains < 0).sum())
    return float(binom.sf(won - 1, won + lost, 0.5))


def _swapped(contest: Contest, metric: Metric, samples: int) -> float:
    """Rows that mean the same are swapped together: how many of them is a binomial draw."""
    mine, theirs = contest.challenger.contributions, contest.champion.contributions
    moved, counts = np.unique(theirs - mine, axis=0, return_counts=True)
    rng, step = np.random.default_rng(SEED), max(1, LARGEST_DRAW // len(counts))
    sizes = [(min(step, samples - start), len(counts)) for start in range(0, samples, step)]
    changes = np.concatenate([rng.binomial(counts, 0.5, size=size) @ moved for size in sizes])
    observed = metric.gain(mine.sum(axis=0), theirs.sum(axis=0))
    drawn = metric.gain(mine.sum(axis=0) + changes, theirs.sum(axis=0) - changes)
    # A tie by a rounding error is a tie; one draw more, the observed one, keeps the level (Phipson and Smyth 2010).
    return float((1 + (drawn >= observed - 1e-12).sum()) / (1 + samples))


def reversed_roles(contest: Contest) -> Contest:
    """The champion as challenger, to ask whether it is the better one."""
    return replace(contest, challenger=contest.champion, champion=contest.challenger)
