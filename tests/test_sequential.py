"""A trial may be looked at after each answer: an equal challenger is promoted at most as often as the recipe says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sequential import BETS, Evidence, bets, capital

MARGIN = 0.02


def outcomes(challenger: float, champion: float, trials: int, length: int, seed: int) -> np.ndarray:
    """Differences of two independent answers, trials by observations."""
    random = np.random.default_rng(seed)
    right = random.random((2, trials, length)) < np.array([challenger, champion])[:, None, None]
    return right[0].astype(float) - right[1].astype(float)


def ever_promoted(differences: np.ndarray, alpha: float) -> np.ndarray:
    """Whether the evidence of each row would promote at any of its observations: Evidence, many at once."""
    logs = np.log1p(differences[:, :, None] * bets())
    capitals = np.logaddexp.reduce(logs.cumsum(axis=1), axis=2) - np.log(BETS)
    return (capitals >= np.log(1 / alpha)).any(axis=1)


@pytest.mark.parametrize(("accuracy", "alpha"), [(0.75, 0.05), (0.5, 0.1)])
def test_an_equal_challenger_is_promoted_at_most_alpha_however_often_one_looks(accuracy: float, alpha: float) -> None:
    promoted = ever_promoted(outcomes(accuracy, accuracy, 1000, 1000, seed=1), alpha)
    # The chance is at most alpha; three standard errors for the luck of 1,000 trials.
    assert promoted.mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 1000)


def test_looking_at_an_ordinary_test_each_time_would_promote_far_more_often() -> None:
    differences = outcomes(0.75, 0.75, 500, 1000, seed=2)
    counts = np.arange(1, 1001)
    means = differences.cumsum(axis=1) / counts
    errors = np.sqrt((differences**2).cumsum(axis=1) / counts / counts).clip(min=1e-9)
    z_test = ((means / errors)[:, 50:] > 1.645).any(axis=1)
    assert z_test.mean() > 0.25
    assert ever_promoted(differences, 0.05).mean() < 0.05


def test_a_better_challenger_is_found() -> None:
    assert ever_promoted(outcomes(0.85, 0.75, 200, 2000, seed=3), 0.05).mean() > 0.95


def after(differences: list[float], alpha: float = 0.05) -> tuple[Evidence, str]:
    evidence = Evidence()
    for difference in differences:
        evidence = evidence.seen(difference, MARGIN)
        if (decision := evidence.decision(alpha)) != "keep watching":
            return evidence, decision
    return evidence, "keep watching"


def test_decisions_are_promote_reject_or_go_on() -> None:
    assert after(outcomes(0.9, 0.6, 1, 500, seed=4)[0].tolist())[1] == "promote"
    assert after(outcomes(0.6, 0.9, 1, 500, seed=4)[0].tolist())[1] == "reject"
    assert after([1.0, -1.0, 0.0])[1] == "keep watching"
    assert Evidence().decision(0.05) == "keep watching"


def test_one_by_one_and_many_at_once_are_the_same() -> None:
    differences = outcomes(0.8, 0.7, 1, 300, seed=5)[0]
    evidence = Evidence()
    for difference in differences:
        evidence = evidence.seen(difference, MARGIN)
    logs = np.log1p(differences[:, None] * bets()).sum(axis=0)
    assert np.allclose(evidence.better, logs)
    assert evidence.advantage == pytest.approx(differences.mean())


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=60))
def test_the_evidence_is_always_a_number_and_losses_never_promote(differences: list[float]) -> None:
    evidence = Evidence()
    for difference in differences:
        evidence = evidence.seen(difference, MARGIN)
    assert 0 <= capital(evidence.better) < float("inf")
    if sum(differences) <= 0:
        assert evidence.decision(0.05) != "promote"
