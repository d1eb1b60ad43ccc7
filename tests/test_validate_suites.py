"""Contract of the suites in expectations/: a good table passes, each planted fault is caught, a typo is an error."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.errors import RecipeError
from tasks.recipe import Labels
from tasks.records import typed
from tasks.validate.outcomes import Outcome
from tasks.validate.suite_files import filled, placeholders, read_suite
from tasks.validate.suites import Check, validated

EXPECTATIONS = Path(__file__).parents[1] / "expectations"
RATED = Labels.model_validate(
    {"classes": ["bad", "good"], "ratings": {"low": -4, "high": 4, "cuts": [0]}, "consensus": "mean"}
)
NAMED = Labels.model_validate({"classes": ["bad", "good"]})
ROWS = 200
Fault = Callable[[pd.DataFrame], pd.DataFrame]


def identities() -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(ROWS)]


def records() -> pd.DataFrame:
    table = pd.DataFrame({"record_id": identities(), "text": [f"A fine day, number {n}." for n in range(ROWS)]})
    table = table.assign(source="web", happened_at="2026-01-01", collected_at="2026-02-01", language="en")
    return typed(table.astype({"record_id": "str", "text": "str", "source": "str", "language": "str"}))


def labels() -> pd.DataFrame:
    good = pd.Series([number % 2 == 0 for number in range(ROWS)])
    table = pd.DataFrame({"record_id": identities(), "label": good.map({True: "good", False: "bad"})})
    shares = {"share_bad": good.map({True: 0.1, False: 0.7}), "share_good": good.map({True: 0.9, False: 0.3})}
    return table.assign(rating=good.map({True: 2.5, False: -1.0}), n_labels=20, agreement=0.7, **shares)


def put(column: str, value: Any, rows: int = 1) -> Fault:
    """A fault: so many rows hold this value."""

    def planted(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{column: table[column].where(table.index >= rows, value)})

    return planted


def put_time(column: str, value: str) -> Fault:
    return lambda table: table.assign(**{column: table[column].where(table.index > 0, pd.Timestamp(value, tz="UTC"))})


def held(name: str, table: pd.DataFrame, scheme: Labels) -> list[Outcome]:
    suite = filled(read_suite(EXPECTATIONS, name), placeholders(scheme), EXPECTATIONS / f"{name}.json")
    return validated([Check("table", table, suite, EXPECTATIONS / f"{name}.json")])


def broken(outcomes: list[Outcome]) -> set[str]:
    return {one.promise.type.removeprefix("expect_") for one in outcomes if not one.kept}


@pytest.mark.parametrize(
    ("name", "table", "scheme"),
    [("text_records", records(), RATED), ("rated_labels", labels(), RATED), ("class_labels", labels(), NAMED)],
)
def test_a_good_table_keeps_every_promise(name: str, table: pd.DataFrame, scheme: Labels) -> None:
    before = table.copy()
    outcomes = held(name, table, scheme)
    assert len(outcomes) == len(json.loads((EXPECTATIONS / f"{name}.json").read_text())["expectations"])
    assert not broken(outcomes)
    pd.testing.assert_frame_equal(table, before)


RECORD_FAULTS: dict[str, tuple[Fault, str]] = {
    "no rows": (lambda table: table.head(0), "table_row_count_to_be_between"),
    "id null": (put("record_id", None), "column_values_to_not_be_null"),
    "id short": (put("record_id", "abc"), "column_values_to_match_regex"),
    "id upper case": (put("record_id", "A" * 64), "column_values_to_match_regex"),
    "id twice": (put("record_id", "f" * 64, rows=2), "column_values_to_be_unique"),
    "text null": (put("text", None), "column_values_to_not_be_null"),
    "text empty": (put("text", ""), "column_values_to_match_regex"),
    "text blank": (put("text", "  "), "column_values_to_match_regex"),
    "text huge": (put("text", "abc " * 200_000), "column_value_lengths_to_be_between"),
    "text twice": (put("text", "A fine DAY - number 150!"), "column_texts_to_differ_in_words"),
    "no letters": (lambda t: t.assign(text=[f"{n} :-)" for n in range(ROWS)]), "column_values_to_match_regex"),
    "undecoded": (lambda t: t.assign(text="caf\ufffd " + t["text"]), "column_values_to_not_match_regex"),
    "mojibake": (lambda t: t.assign(text="caf\u00c3\u00a9 " + t["text"]), "column_values_to_not_match_regex"),
    "source null": (put("source", None), "column_values_to_not_be_null"),
    "collected never": (put("collected_at", pd.NaT), "column_values_to_not_be_null"),
    "from the future": (put_time("happened_at", "2027-01-01"), "column_pair_values_a_to_be_greater_than_b"),
    "languages mixed": (put("language", "de", rows=30), "column_values_to_be_the_commonest"),
}


@pytest.mark.parametrize(("fault", "promise"), RECORD_FAULTS.values(), ids=RECORD_FAULTS)
def test_each_fault_of_records_breaks_its_promise_alone(fault: Fault, promise: str) -> None:
    assert broken(held("text_records", fault(records()), RATED)) == {promise}


LABEL_FAULTS: dict[str, tuple[Fault, str]] = {
    "no rows": (lambda table: table.head(0), "table_row_count_to_be_between"),
    "id null": (put("record_id", None), "column_values_to_not_be_null"),
    "id short": (put("record_id", "abc"), "column_values_to_match_regex"),
    "id twice": (put("record_id", "f" * 64, rows=2), "column_values_to_be_unique"),
    "label null": (put("label", None), "column_values_to_not_be_null"),
    "label unknown": (put("label", "ugly"), "column_values_to_be_in_set"),
    "no label counted": (put("n_labels", 0), "column_values_to_be_between"),
    "agreement above one": (put("agreement", 1.2), "column_values_to_be_between"),
    "shares of more than all": (put("share_good", 0.95), "columns_to_sum_to_near"),
    "one class gone": (lambda t: t.assign(label="good"), "each_class_to_have_share"),
}
RATING_FAULTS: dict[str, tuple[Fault, str]] = {
    "rating null": (put("rating", None), "column_values_to_not_be_null"),
    "rating too low": (put("rating", -4.1), "column_values_to_be_between"),
    "rating too high": (put("rating", 4.1), "column_values_to_be_between"),
}


@pytest.mark.parametrize(
    ("fault", "promise"), [*LABEL_FAULTS.values(), *RATING_FAULTS.values()], ids=[*LABEL_FAULTS, *RATING_FAULTS]
)
def test_each_fault_of_rated_labels_breaks_its_promise(fault: Fault, promise: str) -> None:
    assert promise in broken(held("rated_labels", fault(labels()), RATED))


@pytest.mark.parametrize(("fault", "promise"), LABEL_FAULTS.values(), ids=LABEL_FAULTS)
def test_each_fault_of_class_labels_breaks_its_promise(fault: Fault, promise: str) -> None:
    assert promise in broken(held("class_labels", fault(labels()), NAMED))


def test_class_labels_ask_for_no_rating() -> None:
    assert not broken(held("class_labels", labels().drop(columns="rating"), NAMED))


def test_a_missing_column_is_told_apart_from_bad_values() -> None:
    outcomes = held("text_records", records().drop(columns="language"), RATED)
    (unchecked,) = [one for one in outcomes if not one.kept]
    assert unchecked.fault.startswith("column language is missing; there are record_id, text")
    assert unchecked.failing is None


def suite_file(folder: Path, *expectations: dict[str, Any], **other: Any) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps({"name": "mine", "expectations": expectations, **other}))
    return path


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("expect_column_values_to_be_unqiue", {"column": "text"}, "did you mean expect_column_values_to_be_unique"),
        ("wholly_unknown", {}, "mine.json: wholly_unknown is no expectation"),
        (
            "expect_column_values_to_be_unique",
            {"column": "text", "mostli": 0.9},
            "expect_column_values_to_be_unique: mostli is no argument of it; did you mean mostly?",
        ),
        ("expect_column_values_to_be_unique", {}, "column: field required"),
        ("expect_column_values_to_be_unique", {"column": "text", "mostly": 1.5}, "mostly"),
    ],
)
def test_what_the_library_does_not_know_is_an_error(
    kind: str, arguments: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = suite_file(tmp_path, {"type": kind, "kwargs": arguments})
    with pytest.raises(RecipeError) as raised:
        validated([Check("table", records(), read_suite(tmp_path, "mine"), path)])
    assert words in str(raised.value)
    assert str(path) in str(raised.value)


def test_all_faults_of_a_suite_are_told_at_once(tmp_path: Path) -> None:
    path = suite_file(tmp_path, {"type": "expect_a"}, {"type": "expect_b"})
    with pytest.raises(RecipeError, match=r"2 faults:\n.*expect_a is no expectation.*\n.*expect_b is no expectation"):
        validated([Check("table", records(), read_suite(tmp_path, "mine"), path)])


@pytest.mark.parametrize(
    ("labels", "placeholder", "words"),
    [
        (NAMED, "$clases", r"\$clases is nothing this recipe says \(did you mean \$classes\?\)"),
        (NAMED, "$low", r"\$low is nothing this recipe says \(it has no labels.ratings\)"),
        (RATED, "$colour", r"\$colour is nothing this recipe says; placeholders are: \$classes, \$high"),
    ],
)
def test_a_placeholder_that_the_recipe_does_not_fill_is_an_error(
    labels: Labels, placeholder: str, words: str, tmp_path: Path
) -> None:
    path = suite_file(tmp_path, {"type": "expect_a", "kwargs": {"column": "label", "value_set": [placeholder]}})
    with pytest.raises(RecipeError, match=words):
        filled(read_suite(tmp_path, "mine"), placeholders(labels), path)


def test_placeholders_are_filled_wherever_they_stand(tmp_path: Path) -> None:
    arguments = {"value_set": "$classes", "deep": [{"at": "$low"}], "price": "5 $"}
    path = suite_file(tmp_path, {"type": "expect_a", "kwargs": arguments})
    (promise,) = filled(read_suite(tmp_path, "mine"), placeholders(RATED), path).expectations
    assert promise.kwargs == {"value_set": ["bad", "good"], "deep": [{"at": -4.0}], "price": "5 $"}


@pytest.mark.parametrize(
    ("expectation", "other", "words"),
    [
        ({"typ": "expect_a"}, {}, "expectations.0.typ"),
        ({"type": "expect_a"}, {"expectaions": []}, "expectaions"),
        ({"type": "expect_a"}, {"name": "yours"}, "must be the file's name, 'mine'"),
    ],
)
def test_a_misspelt_key_of_a_suite_is_an_error(
    expectation: dict[str, Any], other: dict[str, Any], words: str, tmp_path: Path
) -> None:
    suite_file(tmp_path, expectation, **other)
    with pytest.raises(RecipeError) as raised:
        read_suite(tmp_path, "mine")
    assert words in str(raised.value)


def test_an_unknown_suite_names_those_that_are_there() -> None:
    with pytest.raises(
        RecipeError, match=r"nothing.json: there is no such suite; known are: class_labels, image_records, rated"
    ):
        read_suite(EXPECTATIONS, "nothing")
