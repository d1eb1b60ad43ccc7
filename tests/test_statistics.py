"""Metrics equal those of scikit-learn, and intervals keep their promises."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.metrics.classes import (
    accuracy,
    confusion,
    contributions,
    interval,
    macro_f1,
    paired_difference,
    weighted_f1,
)
from tasks.statistics import IntArray, Interval, Resampling, bootstrap, calibration_bin, ece, ece_interval, replicates

CLASSES = 4
HOW = Resampling(samples=200, confidence=0.95, seed=5)
METRICS: tuple[str, ...] = ("weighted_f1", "macro_f1", "accuracy")

answer_pairs = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60
).map(lambda pairs: tuple(np.array(codes, dtype=np.int64) for codes in zip(*pairs, strict=True)))


def noisy(truth: IntArray, kept: float, seed: int) -> IntArray:
    """The truth with a share of 1 - kept replaced by random classes."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(truth)) < kept, truth, rng.integers(0, 3, len(truth)))


def some_truth(rows: int) -> IntArray:
    return np.random.default_rng(1).choice(3, rows, p=[0.4, 0.2, 0.4])


@given(answer_pairs)
@settings(deadline=None)
def test_metrics_equal_those_of_scikit_learn(pair: tuple[IntArray, IntArray]) -> None:
    from sklearn import metrics

    truth, predicted = pair
    assert accuracy(truth, predicted) == pytest.approx(metrics.accuracy_score(truth, predicted))
    for average, ours in (("weighted", weighted_f1), ("macro", macro_f1)):
        theirs = metrics.f1_score(truth, predicted, average=average, zero_division=0)
        assert ours(truth, predicted, CLASSES) == pytest.approx(theirs)
    table = metrics.confusion_matrix(truth, predicted, labels=range(CLASSES))
    assert (confusion(truth, predicted, CLASSES) == table).all()


@given(answer_pairs, st.sampled_from(METRICS), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_a_model_differs_from_itself_by_exactly_nothing(
    pair: tuple[IntArray, IntArray], metric: str, seed: int
) -> None:
    truth, predicted = pair
    gap = paired_difference(truth, predicted, predicted, metric, 100, 0.95, seed)
    assert (gap.estimate, gap.low, gap.high, gap.shown) == (0, 0, 0, False)


@given(answer_pairs, st.sampled_from(METRICS))
@settings(max_examples=40)
def test_swapping_the_two_models_turns_the_difference_round(pair: tuple[IntArray, IntArray], metric: str) -> None:
    truth, first = pair
    second = np.roll(first, 1)
    assert paired_difference(truth, first, second, metric, 50, 0.9, 3).estimate == pytest.approx(
        -paired_difference(truth, second, first, metric, 50, 0.9, 3).estimate
    )


def test_the_interval_covers_the_true_accuracy_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    truth = np.zeros(300, dtype=np.int64)
    covered = 0
    for trial in range(300):
        predicted = (rng.random(300) > 0.8).astype(np.int64)
        found = interval(truth, predicted, "accuracy", Resampling(300, 0.9, trial))
        covered += found.low <= 0.8 <= found.high
    assert 0.84 <= covered / 300 <= 0.95


def test_pairing_shows_a_small_difference_that_two_intervals_do_not() -> None:
    truth = some_truth(2000)
    second = noisy(truth, 0.7, 2)
    first = np.where(np.arange(2000) % 50 == 0, truth, second)
    gap = paired_difference(truth, first, second, "weighted_f1", 500, 0.95, 4)
    apart = interval(truth, first, "weighted_f1", HOW).low - interval(truth, second, "weighted_f1", HOW).high
    assert gap.shown
    assert apart < 0


def test_the_width_is_that_of_the_normal_approximation() -> None:
    truth = some_truth(4000)
    predicted = noisy(truth, 0.6, 3)
    found = interval(truth, predicted, "accuracy", Resampling(2000, 0.95, 1))
    share = accuracy(truth, predicted)
    assert found.high - found.low == pytest.approx(2 * 1.96 * (share * (1 - share) / 4000) ** 0.5, rel=0.08)


def test_strata_keep_the_number_of_rows_of_each_class() -> None:
    truth = some_truth(500)
    rows = contributions(truth, noisy(truth, 0.5, 1), 3)
    drawn = replicates(rows, lambda totals: totals[..., 3:6], HOW, truth)
    free = replicates(rows, lambda totals: totals[..., 3:6], HOW)
    assert (drawn == np.bincount(truth)).all()
    assert (free != np.bincount(truth)).any()
    assert interval(truth, noisy(truth, 0.5, 1), "macro_f1", HOW, stratified=True) != interval(
        truth, noisy(truth, 0.5, 1), "macro_f1", HOW
    )


def test_every_resample_has_as_many_rows_as_the_table_even_when_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(50, dtype=np.float64)[:, None]
    monkeypatch.setattr("tasks.statistics.LARGEST_DRAW", 170)
    counts = replicates(np.hstack([rows, np.ones_like(rows)]), lambda totals: totals[..., 1], HOW)
    assert counts.shape == (HOW.samples,)
    assert (counts == 50).all()


def test_the_seed_decides_the_interval() -> None:
    truth = some_truth(300)
    predicted = noisy(truth, 0.6, 1)
    first = interval(truth, predicted, "macro_f1", HOW)
    assert first == interval(truth, predicted, "macro_f1", HOW)
    assert first != interval(truth, predicted, "macro_f1", Resampling(200, 0.95, 6))


def test_calibration_error_is_that_of_a_hand_computed_example() -> None:
    confidence = np.array([0.95, 0.97, 0.55, 0.58, 1.0])
    right = np.array([True, True, False, True, True])
    # Bin 15 holds .95, .97 and 1.0 (all right), bin 9 holds .55 and .58 (one right): |3 - 2.92| and |1 - 1.13| of 5.
    assert ece(right, confidence) == pytest.approx((0.08 + 0.13) / 5)


@given(st.floats(0, 1, allow_nan=False))
def test_a_confidence_lies_within_its_bin(confidence: float) -> None:
    place = int(calibration_bin(np.array([confidence]))[0])
    assert 0 <= place <= 14
    assert place / 15 - 1e-12 <= confidence <= (place + 1) / 15 + 1e-12


def test_a_calibrated_model_has_almost_no_calibration_error_and_a_boastful_one_much() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.4, 1, 20_000)
    honest = rng.random(20_000) < confidence
    boastful = rng.random(20_000) < confidence - 0.3
    assert ece(honest, confidence) < 0.02
    found = ece_interval(boastful, confidence, HOW)
    assert found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(0.3, abs=0.02)


def test_no_rows_are_refused_and_arguments_are_left_alone() -> None:
    with pytest.raises(ValueError, match="no rows"):
        bootstrap(np.zeros((0, 3)), lambda totals: totals[..., 0], HOW)
    truth, predicted = some_truth(50), noisy(some_truth(50), 0.5, 1)
    before = truth.copy(), predicted.copy()
    assert isinstance(interval(truth, predicted, "accuracy", HOW), Interval)
    assert (truth == before[0]).all()
    assert (predicted == before[1]).all()


def test_a_thousand_resamples_of_five_thousand_rows_take_well_under_a_second() -> None:
    truth = some_truth(5000)
    first, second = noisy(truth, 0.8, 1), noisy(truth, 0.7, 2)
    started = time.process_time()
    gap = paired_difference(truth, first, second, "weighted_f1", 1000, 0.95, 1)
    assert time.process_time() - started < 0.5
    assert gap.shown
