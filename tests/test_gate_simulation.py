"""The gate's error rates are the stated ones: simulated pairs of models, whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from gate import Setting, candidates_until_promoted, contest, judged, promoted, single_number
from scipy.stats import binom

from tasks.recipe import Gate
from tasks.release.alpha_spending import Look, spent_at
from tasks.release.better import better

EVEN = Setting(rows=500)
GATE = Gate(bootstrap_samples=1000, slices=("domain",), reuse="ignore")
FIRST = Look(1, GATE.alpha)


def shown_better(setting, gate, pairs, seed=3):
    """How many of the pairs hold the check that every promotion needs, and what the single-number rule says."""
    rng = np.random.default_rng(seed)
    found = [contest(setting, rng) for _ in range(pairs)]
    ours = [better(pair, gate, FIRST, "the champion").passed for pair in found]
    return sum(ours), sum(map(single_number, found))


@pytest.mark.parametrize("metric", ["weighted_f1", "accuracy"])
def test_of_a_thousand_equal_pairs_at_most_alpha_are_promoted_and_half_by_the_single_number(metric):
    pairs = 1000
    ours, theirs = shown_better(EVEN, GATE.model_copy(update={"metric": metric}), pairs)
    # Up to so many are within luck (99.9 %) of a rate of alpha.
    assert ours <= binom.ppf(0.999, pairs, GATE.alpha)
    assert theirs > 0.4 * pairs


def test_few_rows_are_not_enough_for_luck_to_be_taken_as_a_gain():
    rng = np.random.default_rng(5)
    tiny = Setting(rows=40, differ=0.15)
    ours = sum(better(contest(tiny, rng), GATE, FIRST, "the champion").passed for _ in range(500))
    assert ours <= binom.ppf(0.999, 500, GATE.alpha)


def test_a_gain_of_the_printed_size_is_found_with_the_stated_power():
    pairs, gain = 150, 0.0
    for _ in range(3):  # models that are further apart disagree on other rows, and another size is printed
        at_hand = judged(replace(EVEN, gain=gain), GATE, 12)
        gain = float(np.mean([checks[0].figures["smallest_detectable"] for _, checks in at_hand]))
    found = [checks for _, checks in judged(replace(EVEN, gain=gain), GATE, pairs)]
    low, high = binom.ppf([0.001, 0.999], pairs, GATE.power)
    assert low <= sum(checks[0].passed for checks in found) <= high
    # The other checks stand in no better model's way.
    assert sum(map(promoted, found)) >= low


def test_a_loss_in_one_slice_blocks_a_gain_everywhere_else_and_is_named():
    planted = Setting(rows=2000, gain=0.06, slice_gain=-0.15)
    found = list(judged(planted, GATE, 40))
    failed = [[check.name for check in checks if not check.passed] for _, checks in found]
    assert all("domain: films" in names for names in failed)
    assert all(set(names) <= {"better", "domain: films"} for names in failed)
    assert sum(single_number(pair) for pair, _ in found) > 20


@pytest.mark.slow
def test_trying_many_candidates_on_the_same_rows_does_not_help_when_alpha_is_spent():
    gate = Gate(bootstrap_samples=1000, slices=(), alpha=0.2, metric="accuracy")
    setting, runs = Setting(rows=400), 60
    tried = {}
    for reuse in ("spend", "ignore"):
        rng = np.random.default_rng(11)
        tried[reuse] = sum(
            candidates_until_promoted(setting, gate.model_copy(update={"reuse": reuse}), 8, rng) for _ in range(runs)
        )
    assert tried["spend"] <= binom.ppf(0.999, runs, gate.alpha)
    assert tried["ignore"] > binom.ppf(0.999, runs, gate.alpha)


def test_what_all_looks_spend_sums_to_alpha():
    spent = sum(spent_at(number, 0.025) for number in range(1, 100_000))
    assert spent == pytest.approx(0.025, rel=1e-4)
    assert spent < 0.025
