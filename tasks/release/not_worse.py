"""Is the challenger worse where it should not be: in a slice, or in how well its probabilities are calibrated?

Each part is asked for non-inferiority (Wellek 2010, chapter 1): shown, beyond luck, to lose no more than the margin.
Where the rows are too few for even an equal model to show that, absence of proof says nothing, and a part stands in
the way only when it is itself shown worse. Holm's step-down procedure (1979) keeps the chance of a single false
finding among all parts below alpha.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tasks.check import Check
from tasks.recipe import Gate
from tasks.release.contest import Contest, advantage, luck, reversed_roles
from tasks.statistics import FloatArray

BOTH = 2
SAMPLES = 1000
"""Resamples: for a standard error that is known to two per cent (1 / sqrt(2 * samples))."""


@dataclass(frozen=True)
class Part:
    """One question: the challenger's advantage there, its standard error, and the p-value that it is no loss."""

    name: str
    rows: int
    estimate: float
    error: float
    p_no_loss: float

    def p_loss(self, margin: float) -> float:
        """The p-value that the loss is the margin or more."""
        return 1 - NormalDist().cdf((self.estimate + margin) / self.error)

    def can_tell(self, margin: float, alpha: float, power: float) -> bool:
        """Whether an equal model would be shown within the margin with chance `power`."""
        normal = NormalDist()
        return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * self.error <= margin


def no_slice_worse(contest: Contest, gate: Gate) -> list[Check]:
    """A check for each slice of the gate's ways, in the order of their names."""
    parts = list(_slices(contest, gate)) if len(contest) else []
    return judged(parts, gate.slice_margin, gate)


def as_good(contest: Contest, gate: Gate) -> list[Check]:
    """Whether the challenger is as good over all rows: enough against a champion that must not stay (docs/forget.md)."""
    return judged([_part("as good", contest, gate)], gate.slice_margin, gate) if len(contest) else []


def calibration(contest: Contest, gate: Gate) -> list[Check]:
    """Whether the expected calibration error (Guo et al. 2017) rises by no more than the margin; one check, if any.

    None without rows, and none where answers are no probabilities.
    """
    gaps = [who.gaps for who in (contest.champion, contest.challenger) if who.gaps is not None and len(who.gaps)]
    return judged([_calibration(*gaps)], gate.calibration_margin, gate) if len(gaps) == BOTH else []


def judged(parts: Sequence[Part], margin: float, gate: Gate) -> list[Check]:
    """The parts as checks, with what was found in words."""
    within = holm([part.p_loss(margin) for part in parts], gate.alpha)
    worse = holm([part.p_no_loss for part in parts], gate.alpha)
    telling = [part.can_tell(margin, gate.alpha / len(parts), gate.power) for part in parts]
    return [_check(part, margin, *found) for part, *found in zip(parts, within, worse, telling, strict=True)]


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which hypotheses are rejected when the chance of one false rejection is to be at most alpha (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    limits = alpha / np.arange(len(order), 0, -1)
    holds = np.cumprod(np.asarray(p_values)[order] <= limits).astype(bool)
    rejected = np.zeros(len(order), dtype=bool)
    rejected[order] = holds
    return [bool(one) for one in rejected]


def _check(part: Part, margin: float, within: bool, worse: bool, telling: bool) -> Check:
    passed = within or not (telling or worse)
    if within:
        words = f"loses no more than {margin:g}"
    elif worse:
        words = "shown worse"
    elif telling:
        words = f"a loss of {margin:g} is not ruled out"
    else:
        words = f"too few rows to rule out a loss of {margin:g}; not shown worse"
    figures = {"rows": part.rows, "estimate": round(part.estimate, 6), "error": round(part.error, 6), "margin": margin}
    return Check(part.name, passed, f"{part.estimate:+.4f} ± {part.error:.4f} on {part.rows:,} rows: {words}", figures)


def _slices(contest: Contest, gate: Gate) -> Iterator[Part]:
    for way in gate.slices:
        for name in sorted(set(contest.slices.get(way, ()))):
            yield _part(f"{way}: {name}", contest.of(contest.slices[way] == name), gate)


def _part(name: str, contest: Contest, gate: Gate) -> Part:
    found = advantage(contest, gate.metric, SAMPLES)
    p_no_loss = luck(reversed_roles(contest), gate.metric, SAMPLES)
    rows = len(contest)
    return Part(name, rows, found.estimate, _sober(found.error, rows), p_no_loss)


def _sober(error: float, rows: int) -> float:
    """The standard error with half a row more on which only one is right, each way: few rows that agree prove little.

    Agresti and Min 2005, for the difference of paired proportions.
    """
    return float(np.hypot(error, 1 / rows))


def _calibration(champion: FloatArray, challenger: FloatArray) -> Part:
    """The champion's calibration error minus the challenger's, of their gaps: what is gained.

    Its standard error by the infinitesimal jackknife (Efron and Tibshirani 1993, chapter 21): a row moves the error by
    its own gap, up or down as its bin leans.
    """
    gained, rows = _moves(champion) - _moves(challenger), len(champion)
    estimate, error = float(gained.mean()), _sober(float(gained.std() / np.sqrt(rows)), rows)
    return Part("calibration", rows, estimate, error, NormalDist().cdf(estimate / error))


def _moves(gaps: FloatArray) -> FloatArray:
    """What each row adds to the calibration error; their mean is the error."""
    return np.asarray(gaps @ np.sign(gaps.sum(axis=0)))
