"""Each check of the gate: what it lets through, what it stops, and what it says."""

import numpy as np
import pandas as pd
import pytest

from flows import outcome, tables
from tasks.check import Check
from tasks.ledger import Entry
from tasks.metrics.classes import METRICS
from tasks.recipe import Gate
from tasks.release import budgets
from tasks.release.alpha_spending import Look, next_look, spent_at
from tasks.release.better import better
from tasks.release.class_answers import answers as class_answers
from tasks.release.contest import Contest, advantage, enough_samples, luck
from tasks.release.gate import quality, succession
from tasks.release.not_worse import Part, calibration, holm, judged, no_slice_worse
from tasks.release.rows import fair_rows
from tasks.release.sealed_rows import SealedRows, overlap, sealed_rows
from tasks.release.verdict import Verdict, evidence, from_evidence, lines, markdown

GATE = Gate(bootstrap_samples=1000)
FIRST = Look(1, 0.025)


def contest(right_of_challenger, right_of_champion, domains=None, sure=0.8):
    """Two-class rows on which each model is right or wrong as said."""
    truth = np.arange(len(right_of_challenger)) % 2
    answers = [np.where(right, truth, 1 - truth) for right in (right_of_challenger, right_of_champion)]
    sure = np.full(len(truth), sure)
    slices = {"domain": np.array(domains)} if domains is not None else {}
    return Contest(METRICS, *(class_answers(truth, predicted, sure, 2) for predicted in answers), slices)


def right_on(first, last, rows):
    return np.isin(np.arange(rows), np.arange(first, last))


def test_a_tie_is_not_shown_better_and_says_what_could_be_found():
    same = right_on(0, 400, 500)
    found = better(contest(same, same), GATE, FIRST, "champion 3")
    assert not found.passed
    assert found.reason.startswith("not shown better: +0.0000 weighted_f1 (95.0% interval +0.0000 to +0.0000, p 1 ")
    assert "on the same 500 test rows as champion 3" in found.reason
    assert "is found with 80% power" in found.reason


def test_a_clear_gain_and_a_clear_loss_are_told_in_words():
    good, bad = right_on(0, 450, 500), right_on(0, 350, 500)
    assert better(contest(good, bad), GATE, FIRST, "champion 3").reason.startswith("shown better: +0.2")
    assert better(contest(bad, good), GATE, FIRST, "champion 3").reason.startswith("shown worse: -0.2")


def test_a_claim_about_a_slice_is_tested_there_and_a_loss_elsewhere_still_stops_it():
    domains = ["products"] * 400 + ["tide 1"] * 100
    tide = np.array(domains) == "tide 1"
    champion = right_on(0, 430, 500)
    better_there = champion | (right_on(430, 460, 500))
    assert not quality(contest(champion, champion, domains), GATE, FIRST, "champion 3", tide)[0].passed
    found = quality(contest(better_there, champion, domains), GATE, FIRST, "champion 3", tide)
    assert all(check.passed for check in found if check.name != "calibration")
    assert "on the same 100 test rows" in found[0].reason
    bought = better_there & ~right_on(0, 60, 500)
    checks = {
        check.name: check.passed for check in quality(contest(bought, champion, domains), GATE, FIRST, "it", tide)
    }
    assert checks["better"]
    assert not checks["domain: products"]


def test_a_tie_takes_the_place_of_a_champion_that_must_not_stay_and_a_loss_does_not():
    same, fewer = right_on(0, 400, 500), right_on(0, 330, 500)
    assert all(check.passed for check in succession(contest(same, same, ["one"] * 500), GATE))
    (worse, *_) = succession(contest(fewer, same, ["one"] * 500), GATE)
    assert (worse.name, worse.passed) == ("as good", False)
    assert "shown worse" in worse.reason


def test_four_lucky_rows_are_a_gain_to_the_bootstrap_and_none_to_the_exact_test():
    lucky = contest(right_on(0, 404, 500), right_on(0, 400, 500))
    assert advantage(lucky, "accuracy", 4000).low(0.025) > 0
    assert luck(lucky, "accuracy", 4000) == pytest.approx(1 / 2**4)
    assert not better(lucky, GATE.model_copy(update={"metric": "accuracy"}), FIRST, "it").passed


def test_mcnemar_is_the_hand_computed_tail_and_swapping_answers_agrees_with_it():
    pair = contest(right_on(0, 12, 40), right_on(10, 14, 40))
    # 10 rows only the challenger has right, 2 only the champion: P(X >= 10), X ~ B(12, 1/2) = (66 + 12 + 1) / 4096.
    assert luck(pair, "accuracy", 1) == pytest.approx(79 / 4096)
    swapped = luck(contest(right_on(0, 12, 40), right_on(10, 14, 40)), "macro_f1", 20_000)
    assert swapped == pytest.approx(79 / 4096, rel=0.5)


def test_the_interval_keeps_the_number_of_rows_of_each_domain():
    # All the gain lies in one domain: without strata its share of the rows would vary, and the gain with it.
    domains = ["a"] * 100 + ["b"] * 100
    pair = contest(right_on(0, 200, 200), right_on(100, 200, 200), domains)
    assert advantage(pair, "accuracy", 500).error == 0
    assert advantage(Contest(METRICS, pair.challenger, pair.champion), "accuracy", 500).error > 0


def test_no_row_is_left_when_the_champion_has_seen_them_all():
    empty = contest(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))
    found = better(empty, GATE, FIRST, "champion 3")
    assert (found.passed, found.reason) == (
        False, "no test row is left that champion 3 has not learned from; collect new records",
    )  # fmt: skip
    assert no_slice_worse(empty, GATE) == calibration(empty, GATE) == []


def test_rows_that_were_judged_on_too_often_are_worn_out():
    good, bad = right_on(0, 450, 500), right_on(0, 350, 500)
    found = better(contest(good, bad), GATE, Look(60, spent_at(60, 0.025)), "champion 3")
    assert not found.passed
    assert "collect new records" in found.reason


def test_small_alphas_get_more_resamples():
    assert enough_samples(GATE, 0.025) == 1000
    assert enough_samples(GATE, 0.0005) == 40_000
    assert enough_samples(GATE, 1e-9) == 100_000


def test_holm_rejects_step_by_step():
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([0.01, 0.02, 0.03], 0.06) == [True, True, True]
    assert holm([], 0.05) == []


@pytest.mark.parametrize(
    ("part", "passed", "words"),
    [
        (Part("p", 1000, 0.01, 0.01, 0.9), True, "loses no more than 0.05"),
        (Part("p", 1000, -0.03, 0.01, 0.9), True, "loses no more than 0.05"),
        (Part("p", 1000, -0.04, 0.012, 0.1), False, "a loss of 0.05 is not ruled out"),
        (Part("p", 1000, -0.2, 0.02, 0.0001), False, "shown worse"),
        (Part("p", 30, -0.2, 0.05, 0.001), False, "shown worse"),
        (Part("p", 30, -0.05, 0.05, 0.3), True, "too few rows to rule out a loss of 0.05; not shown worse"),
    ],
)
def test_a_part_is_within_the_margin_or_worse_or_too_small_to_tell(part, passed, words):
    (found,) = judged([part], 0.05, GATE)
    assert (found.passed, found.reason.rpartition("rows: ")[2]) == (passed, words)


def test_few_rows_on_which_both_agree_prove_no_equality():
    same = np.ones(20, dtype=bool)
    (found,) = no_slice_worse(contest(same, same, ["small"] * 20), GATE)
    assert found.passed
    assert "too few rows" in found.reason


def test_a_boastful_challenger_is_worse_calibrated():
    right = np.random.default_rng(1).random(2000) < 0.8
    pair = contest(right, right)
    boastful = Contest(METRICS, contest(right, right, sure=0.95).challenger, pair.champion)
    (found,) = calibration(boastful, GATE)
    assert not found.passed
    assert found.figures["estimate"] == pytest.approx(-(0.95 - right.mean()) + abs(0.8 - right.mean()), abs=1e-6)
    assert calibration(pair, GATE)[0].passed


def test_sizes_and_latencies_are_held_against_both_limits():
    gate = Gate(max_size_mb=30, max_latency_ms=10)
    assert budgets.size(20_000_000, 18_000_000, gate).passed
    found = budgets.size(90_000_000, 20_000_000, gate)
    assert not found.passed
    assert found.reason == "megabytes 90.00 (more than 30), times the champion's 4.50 (more than 1.5)"
    rounds = {"challenger": {"single_ms": [4.0, 5.0, 60.0]}, "champion": {"single_ms": [5.0, 4.0, 50.0]}}
    assert budgets.latency(rounds, gate).reason == (
        "milliseconds a record 4.00 (at most 10), times the champion's 1.20 (at most 1.5)"
    )
    assert budgets.latency({"challenger": {"single_ms": [99.0]}}, Gate()).passed


def verdict_entry(rows, champion=1):
    return Entry("r", "verdict", 2, "", {"champion": champion, "test_rows": vars(rows)}, "")


def test_the_seal_tells_rows_by_id_and_label_whatever_their_order():
    rows = [(f"id {number}", "ham") for number in range(500)]
    assert sealed_rows(rows) == sealed_rows(reversed(rows))
    assert sealed_rows(rows).sha256 != sealed_rows([*rows[1:], ("id 0", "spam")]).sha256


@pytest.mark.parametrize(("added", "share"), [(0, 1), (500, 0.5), (2000, 0.2)])
def test_the_overlap_of_two_seals_is_estimated(added, share):
    rows = [(f"id {number}", "ham") for number in range(500 + added)]
    assert overlap(sealed_rows(rows[:500]), sealed_rows(rows)) == pytest.approx(share, abs=0.15)


def test_each_verdict_on_the_same_rows_leaves_less_alpha_and_added_rows_free_none():
    rows = sealed_rows([(f"id {number}", "ham") for number in range(500)])
    grown = sealed_rows([(f"id {number}", "ham") for number in range(600)])
    fresh = sealed_rows([(f"new {number}", "ham") for number in range(500)])
    history = [verdict_entry(rows, champion=None), verdict_entry(rows), verdict_entry(rows)]
    assert next_look(history[:1], rows, GATE) == Look(1, pytest.approx(0.0152, abs=1e-4))
    assert next_look(history, rows, GATE) == Look(3, pytest.approx(0.0152 / 9, abs=1e-5))
    assert next_look(history, grown, GATE).number == 3
    assert next_look(history, fresh, GATE).number == 1
    assert next_look(history, rows, GATE.model_copy(update={"reuse": "ignore"})) == Look(3, 0.025)


def test_rows_that_the_champion_has_learned_from_are_left_out():
    rows = pd.DataFrame({"record_id": ["a", "b", "c"]})
    tested = pd.DataFrame({"record_id": ["a"]})
    assert fair_rows(rows, pd.DataFrame({"record_id": ["b", "x"]}), tested).tolist() == [True, False, True]
    # Without a list of what it learned from, only its own test is certain.
    assert fair_rows(rows, None, tested).tolist() == [True, False, False]


def test_a_verdict_says_in_one_sentence_what_stands_in_the_way():
    basis = {"champion": 3, "look": 2, "alpha": 0.0038, "left_out": 7, "test_rows": vars(SealedRows("ab" * 32, 9, ()))}
    held, failed = Check("size", True, "small"), Check("better", False, "not shown better")
    verdict = Verdict((failed, held), basis)
    assert not verdict.promoted
    assert verdict.reason == "1 of 2 checks failed; better: not shown better; a tie keeps the champion"
    assert lines(verdict) == ["FAILED better: not shown better", "holds  size: small"]
    assert "| better | **failed** | not shown better |" in markdown(verdict)
    assert "7 of them are left out" in markdown(verdict)
    assert "Verdict 2 on such rows, which leaves it an alpha of 0.0038." in markdown(verdict)
    assert from_evidence(evidence(verdict)) == verdict


def test_the_first_version_needs_no_champion():
    verdict = Verdict((Check("better", True, "shown better"),), {"champion": None})
    assert verdict.promoted
    assert verdict.reason == "it is the first version, shown better; 0 other checks hold"


def test_the_terminal_shows_the_checks_of_a_new_verdict_alone(capsys):
    checks = [{"name": "domain: [films]", "passed": False, "reason": "shown worse"}]
    told = {"stages": [{"stage": "release", "state": "Completed"}], "release": {"checks": checks}}
    tables.show_checks(outcome.new_checks(told))
    assert capsys.readouterr().out.split() == ["check", "why", "domain:", "[films]", "failed", "shown", "worse"]
    settled = {"stages": [{"stage": "release", "state": "Cached"}], "release": {"checks": checks}}
    tables.show_checks(outcome.new_checks(settled))
    assert capsys.readouterr().out == ""
