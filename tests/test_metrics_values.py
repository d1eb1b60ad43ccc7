"""Metrics of numbers equal those of scipy and scikit-learn, and the gate takes them as it takes those of classes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tasks.metrics.values import METRICS, contributions
from tasks.recipe import Gate
from tasks.release.alpha_spending import Look
from tasks.release.better import better
from tasks.release.contest import Answers, Contest
from tasks.release.not_worse import calibration, no_slice_worse
from tasks.statistics import Resampling, bootstrap

ratings = st.integers(-80, 80).map(lambda tenths: tenths / 20)
rated = st.lists(st.tuples(ratings, ratings), min_size=2, max_size=60).map(lambda pairs: np.array(pairs).T)


def figures(truth, answers):
    totals = contributions(truth, answers).sum(axis=0)
    return {name: float(metric.statistic(totals)) for name, metric in METRICS.items()}


@given(rated)
def test_metrics_of_numbers_equal_those_of_scipy_and_scikit_learn(pair):
    truth, answers = pair
    assume(truth.std() > 0.01)
    assume(answers.std() > 0.01)
    expected = {
        "r": pearsonr(truth, answers).statistic,
        "r2": r2_score(truth, answers),
        "rmse": root_mean_squared_error(truth, answers),
        "mae": mean_absolute_error(truth, answers),
    }
    assert figures(truth, answers) == pytest.approx(expected, abs=1e-6)


def test_what_does_not_vary_has_no_correlation():
    assert figures(np.full(5, 0.1), np.arange(5.0))["r"] == figures(np.arange(5.0), np.full(5, 0.1))["r"] == 0
    assert figures(np.full(5, 0.1), np.arange(5.0))["r2"] == 0


def simulated(noise, seed=1, rows=600):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.5, rows)
    return truth, truth + rng.normal(0, noise, rows)


def contest(challenger_noise, champion_noise, rows=600):
    truth, champion = simulated(champion_noise, rows=rows)
    challenger = truth + np.random.default_rng(2).normal(0, challenger_noise, rows)
    sides = [Answers(contributions(truth, answers)) for answers in (challenger, champion)]
    return Contest(METRICS, *sides, {"domain": np.where(np.arange(rows) % 2, "films", "tweets")})


@pytest.mark.parametrize("metric", ["r", "rmse"])
def test_the_gate_takes_numbers_whichever_way_their_metric_goes(metric):
    gate = Gate(bootstrap_samples=1000).model_copy(update={"metric": metric})
    look = Look(1, 0.025)
    assert better(contest(0.5, 1.0), gate, look, "champion 3").passed
    assert better(contest(1.0, 0.5), gate, look, "champion 3").reason.startswith("shown worse: -")
    assert not better(contest(1.0, 1.0), gate, look, "champion 3").passed
    assert [check.passed for check in no_slice_worse(contest(1.0, 0.5), gate)] == [False, False]
    assert all(check.passed for check in no_slice_worse(contest(0.5, 1.0), gate))
    assert calibration(contest(0.5, 1.0), gate) == []


def test_an_interval_of_the_correlation_holds_the_true_one():
    rows = contributions(*simulated(1.0, rows=2000))
    found = bootstrap(rows, METRICS["r"].statistic, Resampling(400, 0.95, 3))
    assert found.low < 1.5 / np.hypot(1.5, 1.0) < found.high
    assert found.high - found.low < 0.05
