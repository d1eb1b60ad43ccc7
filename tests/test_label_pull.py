"""What a pull lands beside new answers: answers that were taken back, and corrections of the endpoint's users."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_project import fill, landed_labels, recipe_of

from tasks import images, shards, storage, tombstones
from tasks.annotate.classes import votes
from tasks.annotate.run import run as annotate
from tasks.label import pull, review
from tasks.label.pulled import new_answers
from tasks.label.studio.connection import URL_VARIABLE
from tasks.label.taken_back import taken_back
from tasks.label_rows import label_table, newest_answers
from tasks.paths import Paths
from tasks.recipe import Labels
from tasks.records import CORRECTED, STUDIO, record_id
from tasks.serve import feedback

pytest_plugins = ["tiny_project", "label_project"]
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # DVC's use of pygtrie

ANN, BOB = "ann@example.org", "bob@example.org"


def rows(*given_rows: tuple[str, str | None, str | None, int]) -> pd.DataFrame:
    """Label rows of (record, annotator, label, minute)."""
    content = [
        {"record_id": r, "annotator": who, "label": label, "labelled_at": f"2026-11-24T09:{minute:02d}:00Z"}
        for r, who, label, minute in given_rows
    ]
    return label_table(content, STUDIO)


def task(record: str, *people: str | None, skipped: tuple[str, ...] = ()) -> dict[str, Any]:
    """A task of Label Studio with an annotation by each of these people."""
    there = [{"completed_by": who, "was_cancelled": False} for who in people]
    return {
        "data": {"record_id": record},
        "annotations": there + [{"completed_by": who, "was_cancelled": True} for who in skipped],
    }


def test_an_answer_that_was_deleted_or_skipped_is_taken_back_and_no_other() -> None:
    landed = rows(("a", ANN, "ham", 1), ("a", BOB, "ham", 2), ("b", ANN, "spam", 3), ("c", ANN, "ham", 4))
    before = landed.copy()
    gone = taken_back([task("a", BOB), task("b", skipped=(ANN,))], landed)
    pd.testing.assert_frame_equal(landed, before)
    assert gone[["record_id", "annotator"]].to_numpy().tolist() == [["a", ANN], ["b", ANN]], "the task of c is gone too"
    assert gone["label"].isna().all()
    both = pd.concat([landed, gone], ignore_index=True)
    assert newest_answers(both)["record_id"].tolist() == ["a", "c"]
    assert taken_back([task("a", BOB), task("b", skipped=(ANN,))], both).empty, "once"
    assert taken_back([task("a"), task("a", ANN, BOB)], landed).empty, "another task about the record holds it"
    assert taken_back([task("a", None, BOB)], landed).empty, "whose answer that is, nobody can say"


def test_who_took_an_answer_back_may_answer_again_even_the_same() -> None:
    landed = rows(("a", ANN, "ham", 1), ("a", ANN, None, 1))
    assert new_answers(rows(("a", ANN, "ham", 1)), landed).empty
    again = new_answers(rows(("a", ANN, "ham", 2)), landed)
    assert newest_answers(pd.concat([landed, again], ignore_index=True))["label"].tolist() == ["ham"]


@given(st.permutations([("a", ANN, "ham", 1), ("a", ANN, None, 1), ("a", BOB, "spam", 0), ("b", None, "ham", 3)]))
@settings(max_examples=24, deadline=None)
def test_what_counts_does_not_hang_on_the_order_of_rows(
    given_rows: list[tuple[str, str | None, str | None, int]],
) -> None:
    counting = newest_answers(rows(*given_rows))
    assert sorted(counting["record_id"]) == ["a", "b"]
    opinions = votes(rows(*given_rows), Labels(classes=("ham", "spam")))
    assert set(zip(opinions["record_id"], opinions["class_index"], strict=True)) == {("a", 1), ("b", 0)}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Label Studio is named."""
    monkeypatch.delenv(URL_VARIABLE, raising=False)


def correct(paths: Paths, text: str, label: str, owner: str | None = None, **more: Any) -> None:
    """What the endpoint notes when a user says what was right."""
    row = feedback.correction(None, record_id(text), label, owner)
    feedback.append(paths.corrections, {"text": text, **row, **more})


def test_corrections_land_once_with_the_records_that_they_are_about(paths: Paths, alone: None) -> None:
    recipe, records = recipe_of(), fill(paths, ["good lamp", "bad lamp"])
    correct(paths, "good lamp", "spam", "desk")
    correct(paths, "new 👍 thing", "ham")
    for _ in range(2):
        pull.run(recipe, paths)
    with paths.corrections.open("a") as queue:
        queue.write('{"text": "half a li')
    pull.run(recipe, paths)
    assert landed_labels(paths)[["annotator", "label", "source"]].to_numpy().tolist() == [
        ["desk", "spam", CORRECTED], ["user", "ham", CORRECTED],
    ]  # fmt: skip
    raw = shards.landed(paths.raw, ["record_id", "text", "source", "domain"])
    assert raw["record_id"].tolist() == [*records["record_id"], record_id("new 👍 thing")]
    assert raw.iloc[-1, 1:].tolist() == ["new 👍 thing", CORRECTED, CORRECTED]
    assert (paths.data / "labels.dvc").is_file()
    assert (paths.data / "raw.dvc").is_file()
    correct(paths, "new 👍 thing", "spam")
    pull.run(recipe, paths)
    annotate(recipe, paths)
    assert storage.read_table(paths.stage("annotate") / "consensus.parquet")["label"].tolist().count("spam") == 2
    review.run(recipe, paths)


def test_what_is_no_correction_of_this_recipe_is_refused_by_its_line(
    paths: Paths, alone: None, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(paths, ["good lamp"])
    correct(paths, "good lamp", "angry")
    feedback.append(paths.corrections, {"words": "x"})
    correct(paths, "good lamp", "ham")
    pull.run(recipe_of(), paths)
    said = capsys.readouterr().out
    assert "shop.jsonl, line 1: 'angry' is none of the classes ham, spam" in said
    assert "shop.jsonl, line 2: has no 'text'" in said
    assert landed_labels(paths)["label"].tolist() == ["ham"]
    assert "1 new answers about 1 records" in (paths.labelling / "pull.md").read_text()


def test_a_forgotten_record_does_not_come_back_as_a_correction(paths: Paths, alone: None) -> None:
    fill(paths, ["good lamp"])
    tombstones.add(paths.root, [tombstones.mark(record_id("my name is Ann"))])
    correct(paths, "my name is Ann", "ham")
    pull.run(recipe_of(), paths)
    assert landed_labels(paths).empty
    assert len(shards.landed(paths.raw, ["record_id"])) == 1


def test_where_labels_are_numbers_a_correction_is_one(paths: Paths, alone: None) -> None:
    fill(paths, ["good lamp"])
    scale = {"classes": ["bad", "good"], "ratings": {"low": 0, "high": 10, "cuts": [5]}}
    correct(paths, "good lamp", "good", rating=7.5)
    correct(paths, "good lamp", "good", rating=75)
    pull.run(recipe_of(labels=scale), paths)
    assert landed_labels(paths)["label"].tolist() == ["7.5"]


def test_a_corrected_image_lands_as_its_bytes(paths: Paths, alone: None) -> None:
    import numpy as np

    content = images.png(np.full((8, 8), 200, dtype=np.uint8))
    row = feedback.correction(None, record_id(content), "ham", "desk")
    feedback.append(paths.corrections, {"image": images.data_uri(content), **row})
    recipe = recipe_of(
        kind="classify_image", sources=[{"name": "rows", "url": "file:rows.csv", "columns": {"image": "image"}}]
    )
    pull.run(recipe, paths)
    raw = shards.landed(paths.raw, ["record_id", "image", "media_type"])
    assert raw.to_numpy().tolist() == [[record_id(content), content, "image/png"]]
