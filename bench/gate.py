"""How often the gate is wrong, beside the rule that most pipelines have: promote when the new figure >= the old one.

    python bench/gate.py [--pairs 1000] [--rows 2000]

Simulated pairs of models answer the same rows. Nothing is known to the gate but their answers.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from tasks.check import Check
from tasks.metrics.classes import METRICS
from tasks.recipe import Gate
from tasks.release.alpha_spending import Look, spent_at
from tasks.release.class_answers import answers
from tasks.release.contest import Contest
from tasks.release.gate import quality

CLASSES, CANDIDATES = 3, 10


@dataclass(frozen=True)
class Setting:
    """Two models: the champion's accuracy, on which share of rows the challenger answers anew, and its true gains."""

    rows: int = 600
    right: float = 0.8
    differ: float = 0.3
    gain: float = 0.0
    slice_gain: float = 0.0
    """In the first of four domains, instead of `gain`."""
    domains: tuple[str, ...] = ("films", "news", "products", "tweets")


def contest(setting: Setting, rng: np.random.Generator) -> Contest:
    """One pair of models on fresh rows."""
    return answered(setting, *champion(setting, rng), rng)


def champion(setting: Setting, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fresh rows: the true class, the domain, and what the champion answers."""
    truth = rng.integers(0, CLASSES, setting.rows)
    domains = np.array(setting.domains)[rng.integers(0, len(setting.domains), setting.rows)]
    return truth, domains, _answers(truth, np.full(setting.rows, setting.right), rng)


def answered(
    setting: Setting, truth: np.ndarray, domains: np.ndarray, champion: np.ndarray, rng: np.random.Generator
) -> Contest:
    """A new challenger against a champion whose answers are known."""
    gain = np.where(domains == setting.domains[0], setting.slice_gain or setting.gain, setting.gain)
    anew = _answers(truth, setting.right + gain / setting.differ, rng)
    challenger = np.where(rng.random(setting.rows) < setting.differ, anew, champion)
    # As sure as they are right: from 0.2 below their accuracy to 0.2 above.
    sure = setting.right + rng.uniform(-0.2, 0.2, (2, setting.rows)) + np.stack([gain, np.zeros(setting.rows)])
    sure = sure.clip(0, 1)
    sides = [answers(truth, said, sure[place], CLASSES) for place, said in enumerate((challenger, champion))]
    return Contest(METRICS, *sides, {"domain": domains})


def _answers(truth: np.ndarray, right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    wrong = (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    return np.where(rng.random(len(truth)) < right, truth, wrong)


def judged(setting: Setting, gate: Gate, pairs: int, seed: int = 1) -> Iterator[tuple[Contest, list[Check]]]:
    """Each simulated pair with the checks of its verdict."""
    rng = np.random.default_rng(seed)
    look = Look(1, gate.alpha if gate.reuse == "ignore" else spent_at(1, gate.alpha))
    for _ in range(pairs):
        pair = contest(setting, rng)
        yield pair, quality(pair, gate, look, "the champion")


def single_number(pair: Contest) -> bool:
    """The other rule: the new model's accuracy is at least the old one's."""
    accuracy = METRICS["accuracy"].statistic
    new, old = (accuracy(who.contributions.sum(axis=0)) for who in (pair.challenger, pair.champion))
    return bool(new >= old)


def promoted(checks: Sequence[Check]) -> bool:
    """Whether every check holds."""
    return all(check.passed for check in checks)


def candidates_until_promoted(setting: Setting, gate: Gate, candidates: int, rng: np.random.Generator) -> bool:
    """Whether any of so many challengers, none of them better, is promoted on the same rows."""
    first = champion(setting, rng)
    for number in range(1, candidates + 1):
        alpha = gate.alpha if gate.reuse == "ignore" else spent_at(number, gate.alpha)
        pair = answered(setting, *first, rng)
        if promoted(quality(pair, gate, Look(number, alpha), "the champion")):
            return True
    return False


def rate(hits: int, of: int) -> str:
    """A share with its exact 95 % binomial interval (Clopper and Pearson 1934)."""
    interval = binomtest(hits, of).proportion_ci()
    return f"{hits / of:7.1%} ({interval.low:.1%} to {interval.high:.1%})"


def report(pairs: int, rows: int) -> None:
    """Print the table."""
    even = Setting(rows=rows)
    # A thousand resamples say as much here as ten thousand: the luck of one verdict evens out over the pairs.
    gate = Gate(bootstrap_samples=1000, slices=("domain",))
    print(
        f"{pairs} pairs of {rows} rows; alpha {gate.alpha}, power {gate.power}, {gate.metric}, margin {gate.slice_margin}"
    )
    print(f"{'':44} {'shown better':30} {'promoted by the gate':30} {'by new >= old':30}")
    detectable = np.mean([checks[0].figures["smallest_detectable"] for _, checks in judged(even, gate, 50)])
    settings = {
        "equal models": even,
        f"a gain of {detectable:.3f}, the smallest detectable": replace(even, gain=float(detectable)),
        f"twice that gain, {2 * detectable:.3f}": replace(even, gain=2 * float(detectable)),
        "a loss of 0.03": replace(even, gain=-0.03),
        "a gain of 0.05 but a loss of 0.15 in a slice": replace(even, gain=0.05, slice_gain=-0.15),
    }
    for name, setting in settings.items():
        started = time.perf_counter()
        judgements = judged(setting, gate, pairs)
        found = [(checks[0].passed, promoted(checks), single_number(pair)) for pair, checks in judgements]
        seconds = (time.perf_counter() - started) / pairs
        rates = "".join(f" {rate(sum(column), pairs):30}" for column in zip(*found, strict=True))
        print(f"{name:44}{rates} {seconds:.2f} s a verdict", flush=True)
    runs = max(1, pairs // 10)
    for reuse in ("spend", "ignore"):
        rng = np.random.default_rng(2)
        tried = gate.model_copy(update={"reuse": reuse})
        hits = sum(candidates_until_promoted(even, tried, CANDIDATES, rng) for _ in range(runs))
        print(f"{f'any of {CANDIDATES} equal models on the same rows, {reuse}':44} {rate(hits, runs)}")


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pairs", type=int, default=1000)
    words.add_argument("--rows", type=int, default=2000)
    given = words.parse_args()
    report(given.pairs, given.rows)
