"""Label rows become one consensus a record, with honest figures on how far people agree."""

import hashlib
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import storage
from tasks.annotate import agreement as agreement_module
from tasks.annotate.agreement import agreement, fair_sample
from tasks.annotate.annotators import annotators
from tasks.annotate.classes import votes
from tasks.annotate.consensus import class_shares, consensus
from tasks.annotate.run import run
from tasks.errors import PromiseError, RecipeError
from tasks.paths import Paths
from tasks.recipe import Labels, Ratings, Recipe
from tasks.records import typed

SENTIMENTS = ("negative", "neutral", "positive")
BY_MEAN = Labels(classes=SENTIMENTS, ratings=Ratings(low=-4, high=4, cuts=(-0.5, 0.5)), consensus="mean")
BY_MAJORITY = Labels(classes=("ham", "spam"))
BY_TRUST = Labels(classes=("ham", "spam"), consensus="dawid_skene")

ratings = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-4, 4)), min_size=1, max_size=40)


def label_rows(rows: list[tuple[Any, ...]], source: str = "crowd") -> pd.DataFrame:
    """A table of label rows from (record_id, label), (…, annotator) or (…, annotator, labelled_at) tuples."""
    filled = [(*row, None, None)[:4] for row in rows]
    table = pd.DataFrame(filled, columns=["record_id", "label", "annotator", "labelled_at"])
    texts = table.astype({"record_id": "str", "label": "str", "annotator": "str"})
    return typed(texts.assign(seconds=np.nan, source=pd.Series(source, index=table.index, dtype="str")))


def agreed_on(labels: pd.DataFrame, scheme: Labels) -> pd.DataFrame:
    """The consensus by record_id."""
    opinions = votes(labels, scheme)
    return consensus(opinions, class_shares(opinions, scheme), scheme).set_index("record_id")


def quality_of(labels: pd.DataFrame, scheme: Labels) -> pd.Series:
    """Each annotator's accuracy."""
    opinions = votes(labels, scheme)
    shares = class_shares(opinions, scheme)
    table = annotators(opinions, shares, consensus(opinions, shares, scheme), scheme)
    return table.set_index("annotator")["accuracy"]


def project(root: Path, labels: Labels, *shards: pd.DataFrame) -> tuple[Recipe, Paths]:
    """A recipe with the label scheme, and a project with the shards."""
    base_model = {"url": "file:base", "licence": "unknown"}
    source = {"name": "mails", "url": "file:mails.csv", "columns": {"text": 0}}
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "title": "Tiny",
            "kind": "classify_text",
            "sources": [source],
            "labels": labels.model_dump(),
            "train": {"base_model": base_model},
        }
    )
    paths = Paths(root, "tiny")
    for number, shard in enumerate(shards, start=1):
        storage.write_table(paths.labels / f"{number:04d}-{number:08x}.parquet", shard)
    return recipe, paths


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: storage.sha256_file(file) for file in sorted(folder.iterdir())}


def test_a_rating_below_the_first_cut_is_the_first_class_and_one_at_a_cut_the_next() -> None:
    labels = label_rows([("a", "-0.51"), ("b", "-0.5"), ("c", "0.49"), ("d", "0.5"), ("e", "4"), ("f", "-4")])
    found = agreed_on(labels, BY_MEAN)["label"].tolist()
    assert found == ["negative", "neutral", "neutral", "positive", "positive", "negative"]


def test_a_mean_that_lies_on_a_cut_does_not_miss_it_by_a_floats_last_bit() -> None:
    scheme = Labels(classes=("low", "high"), ratings=Ratings(low=0, high=1, cuts=(0.1,)), consensus="mean")
    assert (0.0 + 0.0 + 0.3) / 3 < 0.1
    found = agreed_on(label_rows([("a", "0"), ("a", "0"), ("a", "0.3")]), scheme)
    assert found.loc["a", "label"] == "high"


def test_every_wrong_rating_is_named_at_once_with_its_source_and_count() -> None:
    labels = label_rows([("a", "7"), ("b", "7"), ("c", "good"), ("d", "nan"), ("e", "1")], source="stars")
    with pytest.raises(PromiseError) as caught:
        votes(labels, BY_MEAN)
    message = str(caught.value)
    assert "'7' of stars (2 rows) is no number from -4 to 4" in message
    assert "'good' of stars (1 rows)" in message
    assert "'nan' of stars (1 rows)" in message
    assert "labels.ratings" in message
    assert "'1'" not in message


def test_an_unknown_class_name_is_told_with_the_known_ones() -> None:
    labels = pd.concat([label_rows([("a", "Spam")], "inbox"), label_rows([("a", "spam"), ("b", "")], "studio")])
    with pytest.raises(PromiseError) as caught:
        votes(labels, BY_MAJORITY)
    message = str(caught.value)
    assert "'Spam' of inbox (1 rows) is none of the classes ham, spam" in message
    assert "'' of studio (1 rows)" in message


def test_of_very_many_faults_twenty_are_told_and_the_rest_counted() -> None:
    labels = label_rows([("a", f"word {number}") for number in range(50)])
    with pytest.raises(PromiseError, match="and 30 more"):
        votes(labels, BY_MAJORITY)


def test_a_record_whose_only_row_has_no_label_does_not_appear() -> None:
    assert agreed_on(label_rows([("a", None), ("b", "ham"), ("b", None)]), BY_MAJORITY)["n_labels"].to_dict() == {
        "b": 1
    }


def test_a_tie_goes_to_the_class_that_the_recipe_names_first() -> None:
    labels = label_rows([("a", "spam"), ("a", "ham"), ("b", "spam")])
    swapped = Labels(classes=("spam", "ham"))
    assert agreed_on(labels, BY_MAJORITY)["label"].to_dict() == {"a": "ham", "b": "spam"}
    assert agreed_on(labels, swapped)["label"].to_dict() == {"a": "spam", "b": "spam"}


def test_agreement_is_the_share_of_labels_whose_class_is_the_consensus() -> None:
    labels = label_rows([("a", "4"), ("a", "0"), ("a", "0"), ("a", "1")])
    row = agreed_on(labels, BY_MEAN).loc["a"]
    assert row["label"] == "positive"
    assert row["rating"] == 1.25
    assert row["agreement"] == 0.5
    assert [row[f"share_{name}"] for name in SENTIMENTS] == [0, 0.5, 0.5]


def test_an_annotator_who_answers_again_is_heard_once_with_the_newest_answer() -> None:
    rows = [
        ("a", "spam", "ann", "2026-03-02"),
        ("a", "ham", "ann", "2026-03-01"),
        ("a", "spam", "bob"),
        ("a", "ham", "bob"),
    ]
    found = votes(label_rows(rows), BY_MAJORITY).sort_values("annotator")
    assert found["class_index"].tolist() == [1, 0]


def test_equal_anonymous_answers_are_all_heard() -> None:
    assert len(votes(label_rows([("a", "ham")] * 3), BY_MAJORITY)) == 3


@settings(max_examples=50)
@given(ratings)
def test_shares_sum_to_one_and_every_labelled_record_stands_once_in_order(rows: list[tuple[str, int]]) -> None:
    found = agreed_on(label_rows([(record, str(value)) for record, value in rows]), BY_MEAN)
    assert list(found.index) == sorted({record for record, _ in rows})
    assert np.allclose(found.filter(like="share_").sum(axis=1), 1)
    assert found["n_labels"].sum() == len(rows)
    assert found["agreement"].between(0, 1).all()


@settings(max_examples=50)
@given(ratings, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_the_consensus(rows: list[tuple[str, int]], rng: random.Random) -> None:
    shuffled = rng.sample(rows, len(rows))
    first, second = (label_rows([(record, str(value / 10)) for record, value in table]) for table in (rows, shuffled))
    pd.testing.assert_frame_equal(agreed_on(first, BY_MEAN), agreed_on(second, BY_MEAN))


@settings(max_examples=50)
@given(st.lists(st.floats(-4, 4), min_size=2, max_size=30))
def test_a_higher_rating_never_gives_a_lower_class(values: list[float]) -> None:
    labels = label_rows([(f"{number:03d}", repr(value)) for number, value in enumerate(sorted(values))])
    positions = votes(labels, BY_MEAN)["class_index"].tolist()
    assert all(lower <= higher for lower, higher in pairwise(positions))


def crowd(n_records: int, accuracies: dict[str, float]) -> tuple[pd.DataFrame, pd.Series]:
    """Answers of annotators who are right so often, and the truth."""
    rng = np.random.default_rng(5)
    truth = pd.Series(rng.choice(["ham", "spam"], n_records), index=[f"r{number:03d}" for number in range(n_records)])
    other = {"ham": "spam", "spam": "ham"}
    rows = [
        (record, name if rng.random() < accuracy else other[name], annotator)
        for record, name in truth.items()
        for annotator, accuracy in accuracies.items()
    ]
    return label_rows(rows), truth


def test_dawid_skene_trusts_two_good_annotators_over_three_who_guess() -> None:
    labels, truth = crowd(300, {"ann": 0.95, "bob": 0.95, "cid": 0.5, "dan": 0.5, "eve": 0.5})
    trusted, counted = (agreed_on(labels, scheme)["label"] for scheme in (BY_TRUST, BY_MAJORITY))
    assert (trusted == truth).mean() > (counted == truth).mean() + 0.03


def test_dawid_skene_estimates_each_annotators_accuracy() -> None:
    accuracies = {"ann": 0.95, "bob": 0.9, "cid": 0.8, "dan": 0.6}
    labels, truth = crowd(400, accuracies)
    right = (labels["label"] == labels["record_id"].map(truth)).groupby(labels["annotator"]).mean()
    assert np.allclose(quality_of(labels, BY_TRUST).sort_index(), right.sort_index(), atol=0.05)


def test_under_dawid_skene_accuracy_is_the_mean_probability_of_the_classes_chosen() -> None:
    labels, _ = crowd(40, {"ann": 0.9, "bob": 0.8, "cid": 0.6})
    opinions = votes(labels, BY_TRUST)
    shares = class_shares(opinions, BY_TRUST)
    own = labels[labels["annotator"] == "cid"]
    chosen = [shares.loc[record, label] for record, label in zip(own["record_id"], own["label"], strict=True)]
    assert quality_of(labels, BY_TRUST)["cid"] == pytest.approx(float(np.mean(chosen)), abs=1e-12)


def test_records_are_ordered_by_id_under_dawid_skene_too() -> None:
    labels = label_rows([("b", "ham", "ann"), ("b", "ham", "bob"), ("a", "spam", "bob"), ("a", "spam", "ann")])
    assert list(agreed_on(labels, BY_TRUST).index) == ["a", "b"]


def test_dawid_skene_refuses_anonymous_labels_and_says_why() -> None:
    labels = label_rows([("a", "ham", "ann"), ("a", "spam", None), ("b", "ham", None)], source="studio")
    with pytest.raises(RecipeError, match=r"order of anonymous labels carries no identity.*studio has 2 labels"):
        agreed_on(labels, BY_TRUST)


def test_a_class_that_nobody_chose_still_has_its_column_under_dawid_skene() -> None:
    found = agreed_on(label_rows([("a", "ham", "ann"), ("a", "ham", "bob"), ("b", "ham", "ann")]), BY_TRUST)
    assert found["share_ham"].tolist() == [1, 1]
    assert found["share_spam"].tolist() == [0, 0]


def test_class_names_that_are_words_of_the_library_do_no_harm() -> None:
    scheme = Labels(classes=("task", "worker", "label"), consensus="dawid_skene")
    labels = label_rows([("a", "task", "x"), ("a", "task", "y"), ("b", "label", "x"), ("b", "label", "y")])
    assert agreed_on(labels, scheme)["label"].to_dict() == {"a": "task", "b": "label"}


def test_accuracy_leaves_out_records_that_nobody_else_labelled() -> None:
    labels = label_rows(
        [("a", "ham", "ann"), ("a", "ham", "bob"), ("a", "spam", "cid"), ("b", "ham", "cid"), ("c", "ham", "eve")]
    )
    found = quality_of(labels, BY_MAJORITY)
    assert found.drop("eve").to_dict() == {"ann": 1, "bob": 1, "cid": 0}
    assert np.isnan(found["eve"])


def test_alpha_is_krippendorffs_own_worked_example() -> None:
    """Content Analysis, chapter 12: four observers, twelve units, nominal .743 and interval .849."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    rows = [
        (f"unit {unit:02d}", value) for line in observers for unit, value in enumerate(line.split()) if value != "."
    ]
    names = ("1", "2", "3", "4", "5")
    scale = Labels(classes=names, ratings=Ratings(low=1, high=5, cuts=(1.5, 2.5, 3.5, 4.5)), consensus="mean")
    nominal, interval = (agreement(votes(label_rows(rows), s), s) for s in (Labels(classes=names), scale))
    assert (nominal["level"], round(float(str(nominal["alpha"])), 3)) == ("nominal", 0.743)
    assert (interval["level"], round(float(str(interval["alpha"])), 3)) == ("interval", 0.849)


@pytest.mark.parametrize(
    "rows",
    [[], [("a", "ham"), ("b", "spam")], [("a", "ham"), ("a", "ham")], [("a", "ham"), ("a", "ham"), ("b", "spam")]],
    ids=["no label", "single labels", "one value", "one value in pairs"],
)
def test_alpha_is_null_where_nothing_can_be_said(rows: list[tuple[str, str]]) -> None:
    assert agreement(votes(label_rows(rows), BY_MAJORITY), BY_MAJORITY)["alpha"] is None


def test_alpha_of_a_huge_table_is_that_of_a_fair_sample_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    centres = rng.integers(-3, 4, 4000)
    record_ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]
    rows = [
        (name, str(int(c + rng.integers(-1, 2)))) for name, c in zip(record_ids, centres, strict=True) for _ in "12"
    ]
    opinions = votes(label_rows(rows), BY_MEAN)
    whole = agreement(opinions, BY_MEAN)
    monkeypatch.setattr(agreement_module, "MOST_CELLS", 2000 * 81)
    part = agreement(opinions, BY_MEAN)
    assert (whole["alpha_n_records"], part["alpha_n_records"], part["n_records"]) == (4000, 2000, 4000)
    assert float(str(part["alpha"])) == pytest.approx(float(str(whole["alpha"])), abs=0.03)


def test_a_sample_keeps_at_least_two_records() -> None:
    assert len(fair_sample(np.ones((5, 10_000), dtype=np.int64))) == 2


def test_anonymous_labels_give_no_annotator_and_the_card_says_why(tmp_path: Path) -> None:
    recipe, paths = project(tmp_path, BY_MEAN, label_rows([("a", "1"), ("a", "2"), ("b", "-3")]))
    run(recipe, paths)
    folder = paths.stage("annotate")
    assert len(storage.read_table(folder / "annotators.parquet")) == 0
    assert storage.read_json(folder / "agreement.json")["n_annotators"] is None
    assert "order of anonymous labels says nothing about who gave them" in (folder / "card.md").read_text()


def test_the_card_shows_classes_alpha_and_the_annotators_to_look_at(tmp_path: Path) -> None:
    labels, _ = crowd(100, {"ann": 0.95, "bob": 0.95, "cid": 0.4})
    recipe, paths = project(tmp_path, BY_TRUST, labels)
    run(recipe, paths)
    page = (paths.stage("annotate") / "card.md").read_text()
    figures = storage.read_json(paths.stage("annotate") / "agreement.json")
    assert page.index("| cid |") < page.index("| bob |")
    assert f"| all | 300 | 100 | {figures['alpha']:.3f} |" in page
    assert "100 records have a consensus (dawid_skene) of 300 labels: 3 to 3 labels a record" in page


def test_same_shards_give_the_same_bytes_and_are_left_alone(tmp_path: Path) -> None:
    labels, _ = crowd(60, {"ann": 0.95, "bob": 0.8, "cid": 0.6})
    recipe, paths = project(tmp_path, BY_TRUST, labels[:90], labels[90:])
    shards = hashes(paths.labels)
    run(recipe, paths)
    first = hashes(paths.stage("annotate"))
    run(recipe, paths)
    assert hashes(paths.stage("annotate")) == first
    assert hashes(paths.labels) == shards
    assert sorted(first) == ["agreement.json", "annotators.parquet", "card.md", "consensus.parquet"]


@pytest.mark.parametrize("scheme", [BY_MEAN, BY_MAJORITY, BY_TRUST], ids=lambda scheme: scheme.consensus)
@pytest.mark.parametrize("n_shards", [0, 1])
def test_no_labels_give_empty_tables_of_the_right_types(tmp_path: Path, scheme: Labels, n_shards: int) -> None:
    recipe, paths = project(tmp_path, scheme, *[label_rows([])] * n_shards)
    run(recipe, paths)
    found = storage.read_table(paths.stage("annotate") / "consensus.parquet")
    known = agreed_on(label_rows([("a", "1" if scheme.ratings else "ham", "ann")]), scheme).reset_index()
    assert len(found) == 0
    assert found.dtypes.to_dict() == known.dtypes.to_dict()
    quality = storage.read_table(paths.stage("annotate") / "annotators.parquet")
    assert [str(kind) for kind in quality.dtypes] == ["str", "int64", "float64", "float64"]
    assert "No record has a label yet." in (paths.stage("annotate") / "card.md").read_text()


@settings(max_examples=20)
@given(ratings)
def test_the_table_that_is_handed_over_stays_as_it_was(rows: list[tuple[str, int]]) -> None:
    labels = label_rows([(record, str(value)) for record, value in rows])
    before = labels.copy(deep=True)
    agreed_on(labels, BY_MEAN)
    pd.testing.assert_frame_equal(labels, before)
