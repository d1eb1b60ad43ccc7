"""One human rater against the others, by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.evaluate.humans import compare, humans, leave_one_out
from tasks.recipe import Labels, Ratings
from tasks.statistics import Resampling

BY_MEAN = Labels(
    classes=("negative", "neutral", "positive"), ratings=Ratings(low=-4, high=4, cuts=(-0.5, 0.5)), consensus="mean"
)
BY_VOTE = Labels(classes=("ham", "spam"))
HOW = Resampling(samples=200, confidence=0.95, seed=1)


def label_rows(labels: dict[str, list[str]], annotators: list[str] | None = None) -> pd.DataFrame:
    """Label rows from record: labels; `annotators` name the raters of every record in turn."""
    rows = [
        (record, annotators[place] if annotators else None, label)
        for record, given_labels in labels.items()
        for place, label in enumerate(given_labels)
    ]
    table = pd.DataFrame(rows, columns=["record_id", "annotator", "label"]).astype("str")
    return table.assign(labelled_at=pd.Series(pd.NaT, index=table.index, dtype="datetime64[us, UTC]"))


def test_each_rating_meets_the_mean_of_the_others() -> None:
    pairs = leave_one_out(label_rows({"x": ["2", "0", "-1"], "y": ["1", "1", "-4"]}), BY_MEAN, ["y", "x"])
    # y: others of 1 are (1, -4), mean -1.5: negative; others of -4 are (1, 1): positive.
    # x: others of 2 are (0, -1), mean -.5, at the cut: neutral; of 0 (2, -1), .5: positive; of -1 (2, 0): positive.
    assert pairs.to_dict("list") == {"row": [0, 0, 0, 1, 1, 1], "own": [2, 2, 0, 2, 1, 0], "others": [0, 0, 2, 1, 2, 2]}


def test_each_vote_meets_the_majority_of_the_others_and_ties_say_nothing() -> None:
    pairs = leave_one_out(label_rows({"x": ["spam", "spam", "ham"]}), BY_VOTE, ["x"])
    assert pairs.to_dict("list") == {"row": [0], "own": [0], "others": [1]}


def test_agreement_is_that_of_the_hand_computed_example() -> None:
    labels = label_rows({"x": ["1", "1", "1", "-1"], "y": ["-1", "-1", "-1"]})
    found = compare(leave_one_out(labels, BY_MEAN, ["x", "y"]), np.array([2, 2]), 3, HOW)
    # x: others of each 1 are (1, 1, -1), mean 1/3: neutral, so three misses; of -1 (1, 1, 1): positive, a miss too.
    # y: three hits. Each record counts once: one human has (0 + 1) / 2, the model (1/4 + 0) / 2.
    assert found is not None
    assert (found.records, found.ratings) == (2, 7)
    assert found.human["accuracy"].estimate == pytest.approx(0.5)
    assert found.model["accuracy"].estimate == pytest.approx(0.125)
    assert found.difference["accuracy"].estimate == pytest.approx(-0.375)


def test_weighted_f1_of_a_human_equals_that_of_scikit_learn_with_weights() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(4)
    ratings = {f"r{i}": [str(value) for value in rng.integers(-4, 5, rng.integers(3, 9))] for i in range(40)}
    pairs = leave_one_out(label_rows(ratings), BY_MEAN, list(ratings))
    predicted = rng.integers(0, 3, 40)
    found = compare(pairs, predicted, 3, HOW)
    assert found is not None
    weight = 1 / pairs.groupby("row")["row"].transform("size")
    for ours, answers in ((found.human, pairs["own"]), (found.model, predicted[pairs["row"]])):
        theirs = f1_score(pairs["others"], answers, average="weighted", sample_weight=weight)
        assert ours["weighted_f1"].estimate == pytest.approx(theirs)


def test_a_model_that_answers_as_the_raters_do_is_shown_better_than_one_of_them() -> None:
    labels = label_rows({f"r{i}": ["3"] * 9 + ["-3"] if i % 2 else ["-3"] * 9 + ["3"] for i in range(60)})
    records = sorted(labels["record_id"].unique())
    predicted = np.array([2 if int(name[1:]) % 2 else 0 for name in records])
    found = compare(leave_one_out(labels, BY_MEAN, records), predicted, 3, HOW)
    assert found is not None
    assert found.difference["weighted_f1"].shown


def test_records_with_fewer_than_three_labels_and_unknown_ones_are_left_out() -> None:
    labels = label_rows({"few": ["1", "1"], "elsewhere": ["1", "1", "1"], "junk": ["1", "1", "what"]})
    pairs = leave_one_out(labels, BY_MEAN, ["few", "junk"])
    assert pairs.empty
    assert compare(pairs, np.array([0, 0]), 3, HOW) is None


def test_without_any_labels_there_is_no_comparison() -> None:
    pairs = leave_one_out(label_rows({}), BY_MEAN, ["x"])
    found = humans(pairs, np.array([0]), pd.Series(["films"]), 3, HOW)
    assert found.overall is None
    assert found.domain == {}


def test_a_rater_who_answers_again_is_heard_once() -> None:
    names = ["ann", "bob", "cleo", "ann"]
    pairs = leave_one_out(label_rows({"x": ["1", "1", "1", "-4"]}, names), BY_MEAN, ["x"])
    assert sorted(pairs["own"]) == [0, 2, 2]


@given(st.lists(st.lists(st.integers(-4, 4), max_size=6), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_the_labels_are_left_alone_and_their_order_within_a_record_does_not_matter(ratings: list[list[int]]) -> None:
    names = [f"r{i}" for i in range(len(ratings))]
    given_labels = {name: [str(value) for value in values] for name, values in zip(names, ratings, strict=True)}
    labels = label_rows(given_labels)
    before = labels.copy()
    forward = leave_one_out(labels, BY_MEAN, names)
    backward = leave_one_out(label_rows({name: values[::-1] for name, values in given_labels.items()}), BY_MEAN, names)
    pd.testing.assert_frame_equal(labels, before)
    columns = ["row", "own", "others"]
    assert sorted(map(tuple, forward[columns].to_numpy())) == sorted(map(tuple, backward[columns].to_numpy()))


def test_domains_are_compared_apart() -> None:
    labels = label_rows({"x": ["2", "2", "2"], "y": ["2", "2", "2"]})
    pairs = leave_one_out(labels, BY_MEAN, ["x", "y"])
    found = humans(pairs, np.array([2, 0]), pd.Series(["films", "tweets"]), 3, HOW)
    assert found.overall is not None
    assert found.overall.model["accuracy"].estimate == pytest.approx(0.5)
    assert {name: pair.model["accuracy"].estimate for name, pair in found.domain.items()} == {"films": 1, "tweets": 0}
