"""Label rows: each finds its record, keeps its rater unknown where nobody is named, and none is made up."""

import json
from typing import Any

import pandas as pd
import pytest

from tasks.collect.label_studio import export_table
from tasks.collect.labels import Known, label_rows
from tasks.collect.reading import Part
from tasks.collect.records import records_of
from tasks.collect.tables import table_of
from tasks.errors import RecipeError, SourceError
from tasks.recipe import LabelSource, RecordSource
from tasks.records import record_id

KNOWN = Known(frozenset({record_id("a"), record_id("b")}), {"rows": {"1": record_id("a"), "2": record_id("b")}})


def source(**more: Any) -> LabelSource:
    return LabelSource.model_validate({"name": "ratings", "url": "file:ratings.csv", **more})


def part(*rows: dict[str, Any], refused: tuple[str, ...] = ()) -> Part:
    return Part("ratings.csv", table_of(rows, pd.RangeIndex(2, len(rows) + 2, name="line")), refused)


def test_a_list_of_ratings_is_as_many_label_rows_of_unknown_raters() -> None:
    ratings = source(of="rows", many=True, columns={"key": "id", "label": "all"})
    rows = label_rows(ratings, [part({"id": "1", "all": "[-1, 0, -1]"}, {"id": "2", "all": "[2.50]"})], KNOWN)
    assert rows.table["label"].tolist() == ["-1", "0", "-1", "2.50"]
    assert rows.table["record_id"].tolist() == [record_id("a")] * 3 + [record_id("b")]
    assert rows.table[["annotator", "labelled_at", "seconds"]].isna().all(axis=None)
    assert rows.rows_read == 4


def test_labels_find_their_record_by_its_text_however_it_is_spaced() -> None:
    by_text = source(
        columns={"text": "text", "label": "label", "annotator": "who", "labelled_at": "at", "seconds": "s"}
    )
    row = {"text": " a ", "label": "good", "who": "ann", "at": "2026-11-24T09:30:00+01:00", "s": "2.5"}
    table = label_rows(by_text, [part(row)], KNOWN).table
    assert table.iloc[0].to_dict() == {
        "record_id": record_id("a"),
        "annotator": "ann",
        "label": "good",
        "labelled_at": pd.Timestamp("2026-11-24T08:30Z"),
        "seconds": 2.5,
        "source": "ratings",
    }


def test_the_input_is_left_alone() -> None:
    given = part({"id": "1", "label": "x"})
    before = given.rows.copy()
    label_rows(source(of="rows", columns={"key": "id", "label": "label"}), [given], KNOWN)
    pd.testing.assert_frame_equal(given.rows, before)


def test_no_rows_are_no_labels() -> None:
    rows = label_rows(source(of="rows", columns={"key": "id", "label": "label"}), [Part("x", pd.DataFrame())], KNOWN)
    assert rows.table.empty
    assert rows.table["labelled_at"].dtype == "datetime64[us, UTC]"


def test_a_row_without_a_label_is_refused_by_its_line_and_the_others_stay() -> None:
    rows = label_rows(
        source(of="rows", columns={"key": "id", "label": "label"}),
        [part({"id": "1", "label": ""}, {"id": "2", "label": "x"})],
        KNOWN,
    )
    assert rows.refused == ("ratings.csv, line 2 '1': no label",)
    assert rows.table["label"].tolist() == ["x"]


@pytest.mark.parametrize(
    ("more", "row", "said"),
    [
        ({"of": "rows"}, {"id": "9", "label": "x"}, "line 2 '9': no such record in source 'rows'"),
        ({"of": "rows", "many": True}, {"id": "1", "label": "[1, 2"}, "line 2 '[1, 2' is no JSON list of labels"),
        ({"of": "rows", "many": True}, {"id": "1", "label": '{"a": 1}'}, "is no JSON list of labels"),
        ({"of": "rows"}, {"id": "1", "label": ""}, "has no label at all"),
    ],
)
def test_labels_that_cannot_be_joined_are_named_by_line(more: dict[str, Any], row: dict[str, str], said: str) -> None:
    with pytest.raises(SourceError) as error:
        label_rows(source(columns={"key": "id", "label": "label"}, **more), [part(row)], KNOWN)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"columns": {"key": "id", "label": "label"}}, "has a key but no `of`"),
        ({"columns": {"label": "label"}}, "finds the record"),
        ({"columns": {"text": "id"}}, "label is missing"),
        ({"columns": {"text": "id", "label": "label", "rater": "x"}}, "rater is none of label, annotator"),
    ],
)
def test_a_recipe_that_cannot_join_is_told_which_key_to_write(more: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        label_rows(source(**more), [part({"id": "1", "label": "x"})], KNOWN)


def test_under_a_limit_labels_of_other_records_are_left_out() -> None:
    trial = Known(KNOWN.record_ids, KNOWN.by_key, complete=False)
    given = [part({"id": "9", "label": "x"}, {"id": "1", "label": "y"})]
    assert label_rows(source(of="rows", columns={"key": "id", "label": "label"}), given, trial).table[
        "label"
    ].tolist() == ["y"]


def annotation(value: dict[str, Any], **more: Any) -> dict[str, Any]:
    result = [{"from_name": "mood", "type": "choices", "value": value}] if value else []
    made = {"completed_by": 3, "created_at": "2026-11-24T09:30:00.123456Z", "lead_time": 4.25, "was_cancelled": False}
    return {**made, "result": result, **more}


def export(*tasks: tuple[dict[str, Any], list[dict[str, Any]]]) -> bytes:
    numbered = enumerate(tasks, 1)
    return json.dumps(
        [{"id": n, "data": data, "annotations": made, "predictions": []} for n, (data, made) in numbered]
    ).encode()


def studio_rows(content: bytes, **more: Any) -> Any:
    table, refused = export_table(content)
    return label_rows(source(format="label_studio", columns={}, **more), [Part("x.json", table, refused)], KNOWN)


def test_an_export_gives_choices_ratings_and_texts_with_who_when_and_how_long() -> None:
    people = {"id": 7, "email": "ann@example.org"}
    content = export(
        ({"text": "a"}, [annotation({"choices": ["good"]}), annotation({"rating": 4}, completed_by=people)]),
        ({"text": "b"}, [annotation({"text": ["fine"]}, completed_by={"id": 7})]),
    )
    table = studio_rows(content).table
    assert table["label"].tolist() == ["good", "4", "fine"]
    assert table["annotator"].tolist() == ["3", "ann@example.org", "7"]
    assert table["record_id"].tolist() == [record_id("a"), record_id("a"), record_id("b")]
    assert table["seconds"].tolist() == [4.25] * 3
    assert table["labelled_at"].iloc[0] == pd.Timestamp("2026-11-24T09:30:00.123456Z")


def test_an_export_finds_records_by_their_id_when_the_tasks_carry_it() -> None:
    content = export(({"text": "shown otherwise", "record_id": record_id("b")}, [annotation({"choices": ["good"]})]))
    assert studio_rows(content).table["record_id"].tolist() == [record_id("b")]


def test_empty_cancelled_and_ambiguous_annotations_are_refused_with_their_task() -> None:
    content = export(
        ({"text": "a"}, [annotation({}), annotation({"choices": ["good"]})]),
        (
            {"text": "b"},
            [annotation({"choices": ["bad"]}, was_cancelled=True), annotation({"choices": ["bad", "good"]})],
        ),
    )
    rows = studio_rows(content)
    assert rows.table["label"].tolist() == ["good"]
    assert rows.refused == (
        "x.json, task 1: is empty",
        "x.json, task 2: was cancelled",
        "x.json, task 2: gives 2 labels (bad, good) where one is wanted",
    )


def test_one_control_of_several_is_chosen_by_its_name() -> None:
    both = annotation({"choices": ["good"]})
    both["result"].append({"from_name": "stars", "type": "rating", "value": {"rating": 5}})
    table, refused = export_table(export(({"text": "a"}, [both])), "stars")
    assert (table["label"].tolist(), refused) == (["5"], ())


@pytest.mark.parametrize("content", [b"{}", b'[{"text": "a", "sentiment": "good"}]', b"[", b"\xff"])
def test_what_is_no_export_is_told_how_to_export(content: bytes) -> None:
    with pytest.raises(SourceError, match=r"export|encoding"):
        export_table(content)


def test_records_keep_their_key_group_and_domain() -> None:
    rows = RecordSource.model_validate(
        {"name": "rows", "url": "file:x.csv", "domain": "shop", "columns": {"text": "t", "key": "id", "group": "g"}}
    )
    table = records_of(rows, [part({"t": "a", "id": "1", "g": "x"}, {"t": "a ", "id": "2", "g": ""})], "classify_text")
    assert table["record_id"].tolist() == [record_id("a")] * 2
    assert table["source_key"].tolist() == ["1", "2"]
    assert table["domain"].tolist() == ["shop", "shop"]
    assert table["group"].isna().tolist() == [False, True]


def test_a_key_that_names_two_texts_is_refused() -> None:
    rows = RecordSource.model_validate({"name": "rows", "url": "file:x.csv", "columns": {"text": "t", "key": "id"}})
    with pytest.raises(SourceError, match="key '1' names two different texts"):
        records_of(rows, [part({"t": "a", "id": "1"}, {"t": "b", "id": "1"})], "classify_text")
