"""Which records people are asked about."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_records import bars, shard
from label_project import recipe_of, records_of

from tasks import image_model, model_files, storage
from tasks.label.choose import affordable, chosen, in_training, usable
from tasks.label.pool import candidates, pool
from tasks.label.strategies import STRATEGIES, Candidates, margins
from tasks.label.vectors import vectors
from tasks.paths import Paths
from tasks.recipe import Label, Split

CLASSES = 3


def seen(count: int, seed: int, labelled: int = 12) -> Candidates:
    """Candidates with vectors and probabilities by lot."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    known = rng.normal(size=(labelled, 4)).astype(np.float32)
    classes = np.arange(labelled) % CLASSES
    return Candidates(
        count, lambda rows: vectors[rows], rng.dirichlet(np.ones(CLASSES), size=count), lambda: (known, classes)
    )


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=6, deadline=None)
@given(count=st.integers(1, 40), wanted=st.integers(1, 50), seed=st.integers(0, 2**31))
def test_a_strategy_gives_distinct_rows_as_many_as_wanted_and_the_same_by_seed(
    name: str, count: int, wanted: int, seed: int
) -> None:
    picked = STRATEGIES[name](seen(count, seed), wanted, np.random.default_rng(seed))
    assert len(picked) == len(set(picked.tolist())) == min(wanted, count)
    assert set(picked.tolist()) <= set(range(count))
    again = STRATEGIES[name](seen(count, seed), wanted, np.random.default_rng(seed))
    assert picked.tolist() == again.tolist()


def test_the_least_certain_come_first() -> None:
    doubts = np.array([[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.6, 0.4, 0.0]])
    look = Candidates(3, lambda rows: np.eye(3)[rows], doubts, lambda: (np.zeros((0, 3)), np.zeros(0, np.int64)))
    assert STRATEGIES["uncertain"](look, 2, np.random.default_rng(0)).tolist() == [1, 2]
    assert margins(doubts) == pytest.approx([0.8, 0.05, 0.2])


def test_diverse_takes_one_of_each_heap() -> None:
    heaps = np.repeat(np.eye(4), 25, axis=0) + np.random.default_rng(0).normal(scale=0.01, size=(100, 4))
    look = Candidates(100, lambda rows: heaps[rows], None, lambda: (np.zeros((0, 4)), np.zeros(0, np.int64)))
    taken = [{row // 25 for row in STRATEGIES["diverse"](look, 4, np.random.default_rng(seed))} for seed in range(5)]
    assert np.mean([len(heap) for heap in taken]) >= 3, "lot would take 2.7 of 4 heaps"


def test_drifted_takes_what_looks_like_nothing_labelled() -> None:
    rng = np.random.default_rng(0)
    vectors = np.vstack([rng.normal(size=(80, 4)), rng.normal(loc=5, size=(20, 4))])
    known = rng.normal(size=(60, 4)), np.zeros(60, np.int64)
    picked = STRATEGIES["drifted"](Candidates(100, lambda rows: vectors[rows], None, lambda: known), 5, rng)
    assert (picked >= 80).all(), "a fifth of them are new"


def test_a_model_or_labels_that_a_strategy_needs_are_asked_for() -> None:
    look = Candidates(9, lambda rows: np.eye(9)[rows], None, lambda: (np.eye(9)[:3], np.zeros(3, np.int64)))
    with pytest.raises(ValueError, match="probabilities"):
        STRATEGIES["uncertain"](look, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="two classes"):
        STRATEGIES["disagreement"](look, 2, np.random.default_rng(0))
    assert usable(recipe_of(label={"strategy": "uncertain"}), has_model=False) == "diverse"
    assert usable(recipe_of(label={"strategy": "drifted"}), has_model=False) == "drifted"


@given(st.integers(1, 5000), st.integers(1, 10), st.floats(0, 1))
def test_a_round_never_costs_more_answers_than_its_budget(budget: int, overlap: int, share: float) -> None:
    label = Label(budget=budget, overlap=overlap, overlap_share=share)
    records = affordable(label)
    assert records == 1 or records * (1 + share * (overlap - 1)) <= budget + 1e-6


def test_only_the_fair_sample_may_validate_and_test() -> None:
    records = records_of([f"text {number}" for number in range(2000)])
    recipe = recipe_of(label={"budget": 400, "overlap_share": 0.0, "random_share": 0.25})
    given_rows = []

    def look(rows: pd.DataFrame) -> Candidates:
        given_rows.append(rows)
        return seen(len(rows), 0)

    before = records.copy()
    picked = chosen(records, recipe, "uncertain", look, seed=3)
    pd.testing.assert_frame_equal(records, before)
    assert picked.records["why"].value_counts().to_dict() == {"uncertain": 300, "random": 100}
    assert not picked.records["record_id"].duplicated().any()
    teaching = picked.records[picked.records["why"] == "uncertain"]
    assert in_training(teaching, recipe.split).all()
    lot = picked.records[picked.records["why"] == "random"]
    assert 0.15 < 1 - in_training(lot, recipe.split).mean() < 0.45, "30 % of a fair sample validate and test"
    assert picked.records["why"].head(40).nunique() == 2, "who stops early has done a share of each"


def test_by_time_every_record_may_be_chosen() -> None:
    assert in_training(records_of(["a", "b"]), Split(by="time")).all()


def test_the_pool_is_what_has_too_few_labels_and_is_with_nobody() -> None:
    records = records_of(["a", "b", "c", "d"])
    a, b, c, d = records["record_id"]
    left = pool(records, pd.Series([a, b, b]), {c}, enough=2)
    assert left["record_id"].tolist() == [a, d]
    assert pool(records.iloc[:0], pd.Series([], dtype="str"), set(), 1).empty


def test_candidates_are_the_same_whatever_the_order_in_which_records_came() -> None:
    records = records_of([f"text {number}" for number in range(50)])
    few = candidates(records, 10)
    assert len(few) == 10
    shuffled = candidates(records.sample(frac=1, random_state=1), 10)
    assert set(few["record_id"]) == set(shuffled["record_id"])


def test_images_have_vectors_with_and_without_a_base_model(tmp_path: Path) -> None:
    records = shard(bars(30, seed=4)["image"].tolist())
    paths, said = Paths(tmp_path, "shop"), recipe_of(kind="classify_image", train={"images": {"size": 12, "width": 4}})
    grey = vectors(records, said, paths)
    assert grey.shape == (30, 256)
    assert np.allclose(np.linalg.norm(grey, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors(records.head(3), said, paths), grey[:3]), "kept on disk"
    config = image_model.from_nothing(said.train.images.model_dump())
    model_files.save(image_model.classifier(config, 3), paths.base_model, config)
    storage.write_json(paths.base_model / "manifest.json", {"files": {model_files.WEIGHTS: {"sha256": "0" * 64}}})
    based = recipe_of(kind="classify_image", train={"base_model": {"url": "file:model"}})
    features = vectors(records, based, paths)
    assert features.shape == (30, 32)
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
