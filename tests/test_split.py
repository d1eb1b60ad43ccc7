"""Every labelled record is in exactly one split, and what belongs together stays together."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import storage
from tasks.errors import PromiseError, RecipeError
from tasks.groups import group_keys
from tasks.hash_split import position, split_at
from tasks.paths import Paths
from tasks.recipe import Recipe, Split
from tasks.records import record_id, typed
from tasks.split.by_time import boundaries, by_time, latest_times, nearest_day
from tasks.split.card import card
from tasks.split.classify_text import SAME, same, words
from tasks.split.leaks import refuse_leaks
from tasks.split.run import SPLITS, decided, run

CLASSES = ("ham", "spam")
BY_HASH = Split(validation=0.2, test=0.3)
BY_TIME = Split(by="time", validation=0.2, test=0.3)

days = st.one_of(st.none(), st.integers(0, 60))
rows = st.lists(st.tuples(st.sampled_from([None, "a", "b", "c", "d", "e"]), days, st.sampled_from("xy")), max_size=40)


def record_rows(entries: Sequence[tuple[str | None, int | None, str]], first: int = 0) -> pd.DataFrame:
    """Validated records from (group, day of 2026, source) tuples, each with a text of its own."""
    texts = [f"mail number {first + place}" for place in range(len(entries))]
    start = pd.Timestamp("2026-01-01 15:30", tz="UTC")
    times = [None if day is None else start + pd.Timedelta(days=day) for _, day, _ in entries]
    table = pd.DataFrame(
        {
            "record_id": pd.Series([record_id(text) for text in texts], dtype="str"),
            "text": pd.Series(texts, dtype="str"),
            "source": pd.Series([source for _, _, source in entries], dtype="str"),
            "source_key": pd.Series(texts, dtype="str"),
            "domain": pd.Series([source if day else None for _, day, source in entries], dtype="str"),
            "group": pd.Series([group for group, _, _ in entries], dtype="str"),
            "happened_at": pd.Series(times, dtype="datetime64[us, UTC]"),
            "collected_at": pd.Series([start] * len(entries), dtype="datetime64[us, UTC]"),
            "language": pd.Series(["en"] * len(entries), dtype="str"),
            "personal_data": pd.Series([""] * len(entries), dtype="str"),
        }
    )
    return typed(table)


def consensus_of(records: pd.DataFrame) -> pd.DataFrame:
    """A consensus for each record: spam where the id starts with a digit."""
    spam = records["record_id"].str[0].str.isdigit().astype("bool")
    return pd.DataFrame(
        {
            "record_id": records["record_id"],
            "label": spam.map({True: "spam", False: "ham"}).astype("str"),
            "rating": pd.Series(float("nan"), index=records.index, dtype="float64"),
            "n_labels": pd.Series(3, index=records.index, dtype="int64"),
            "agreement": pd.Series(1.0, index=records.index, dtype="float64"),
            "share_ham": (~spam).astype("float64"),
            "share_spam": spam.astype("float64"),
        }
    )


def project(
    root: Path, split: Split, records: pd.DataFrame, consensus: pd.DataFrame | None = None
) -> tuple[Recipe, Paths]:
    """A recipe with this way of splitting, and a project with the two tables that it reads."""
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "title": "Tiny",
            "kind": "classify_text",
            "sources": [{"name": "mails", "url": "file:mails.csv", "columns": {"text": 0}}],
            "labels": {"classes": CLASSES},
            "split": split.model_dump(),
            "train": {"base_model": {"url": "file:base"}},
        }
    )
    paths = Paths(root, "tiny")
    storage.write_table(paths.stage("validate") / "records.parquet", records)
    found = consensus_of(records) if consensus is None else consensus
    storage.write_table(paths.stage("annotate") / "consensus.parquet", found)
    return recipe, paths


def splits_of(records: pd.DataFrame, split: Split) -> pd.Series:
    """The split of each record, by record_id."""
    splits, _ = decided(records, group_keys(records), split)
    return splits.set_axis(records["record_id"])


def parts_of(paths: Paths) -> dict[str, pd.DataFrame]:
    return {name: storage.read_table(paths.stage("split") / f"{name}.parquet") for name in SPLITS}


def dated(*day_numbers: int) -> pd.Series:
    start = pd.Timestamp("2026-01-01 15:30", tz="UTC")
    return pd.Series([start + pd.Timedelta(days=day) for day in day_numbers], dtype="datetime64[us, UTC]")


@settings(max_examples=50)
@given(rows, st.sampled_from([BY_HASH, BY_TIME]))
def test_every_record_has_exactly_one_split_and_no_group_straddles(entries: list[Any], split: Split) -> None:
    records = record_rows(entries)
    keys = group_keys(records)
    splits, _ = decided(records, keys, split)
    assert splits.isin(SPLITS).all()
    assert len(splits) == len(records)
    assert (splits.groupby(keys).nunique() <= 1).all()
    refuse_leaks(records["record_id"], splits, {"group": keys, SAME: same(records)})


@settings(max_examples=50)
@given(rows, rows)
def test_new_records_never_move_old_ones(old: list[Any], new: list[Any]) -> None:
    before = record_rows(old)
    after = pd.concat([record_rows(new, first=len(old)), before], ignore_index=True)
    assert splits_of(after, BY_HASH)[before["record_id"]].tolist() == splits_of(before, BY_HASH).tolist()


def test_a_group_stays_where_it_was_in_every_version_of_the_program() -> None:
    """A known answer: another salt or hash would put test records that a champion never saw into training."""
    (key,) = group_keys(record_rows([("thread", 1, "x")]))
    digest = hashlib.sha256(b"tidemill split 1\x1fgroup\x1fx\x1fthread").hexdigest()
    assert position(key) == pytest.approx(int(digest, 16) / 2**256)
    assert position(key) == pytest.approx(0.2546288439)


@given(st.text(max_size=20))
def test_a_position_is_at_least_zero_and_below_one(key: str) -> None:
    assert 0 <= position(key) < 1


def test_shares_come_out_as_asked_within_chance() -> None:
    shares = splits_of(record_rows([(None, None, "x")] * 4000), BY_HASH).value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx({"train": 0.5, "validation": 0.2, "test": 0.3}, abs=0.03)


@given(st.floats(0, 1, exclude_max=True))
def test_a_larger_validation_share_takes_from_train_alone(place: float) -> None:
    small, large = (split_at(place, Split(validation=share, test=0.3)) for share in (0.1, 0.4))
    assert small == large or (small, large) == ("train", "validation")


def test_the_same_group_name_in_two_sources_is_two_groups() -> None:
    assert group_keys(record_rows([("1", None, "x"), ("1", None, "y"), ("1", None, "x")])).nunique() == 2


def test_a_record_without_a_group_is_a_group_of_its_own() -> None:
    assert group_keys(record_rows([(None, None, "x")] * 3)).nunique() == 3


@settings(max_examples=50)
@given(rows)
def test_nothing_in_train_is_as_late_as_the_boundaries(entries: list[Any]) -> None:
    records = record_rows(entries)
    keys = group_keys(records)
    latest = latest_times(keys, records["happened_at"])
    bounds = boundaries(latest, BY_TIME)
    splits = by_time(latest, bounds)
    assert bounds.validation_from <= bounds.test_from
    assert not (records["happened_at"][splits == "train"] >= bounds.validation_from).any()
    assert not (records["happened_at"][splits == "validation"] >= bounds.test_from).any()
    assert (latest[splits == "test"] >= bounds.test_from).all()


def test_a_group_goes_where_its_latest_record_goes() -> None:
    records = record_rows([("a", 1, "x"), ("a", 40, "x"), ("b", 2, "x"), ("a", None, "x")])
    dates = Split(by="time", validation_from="2026-01-20", test_from="2026-02-01")
    assert splits_of(records, dates).tolist() == ["test", "test", "train", "test"]


def test_with_both_dates_given_the_card_does_not_speak_of_moving_days() -> None:
    dates = Split(by="time", validation_from="2026-01-20", test_from="2026-02-01")
    records = record_rows([(None, day, "x") for day in range(60)])
    _, how = decided(records, group_keys(records), dates)
    assert "validation from 2026-01-20, test from 2026-02-01 (UTC)" in how
    assert "Newer records move" not in how


def test_the_first_moment_of_a_boundary_day_is_behind_the_boundary() -> None:
    midnight = pd.Timestamp("2026-02-01", tz="UTC")
    times = pd.Series([midnight - pd.Timedelta(microseconds=1), midnight])
    bounds = boundaries(times, Split(by="time", validation_from="2026-01-20", test_from="2026-02-01"))
    assert by_time(times, bounds).tolist() == ["validation", "test"]


def test_records_without_a_time_go_to_train_and_the_card_counts_them(tmp_path: Path) -> None:
    records = record_rows([(None, day, "x") for day in range(10)] + [(None, None, "x")] * 3)
    recipe, paths = project(tmp_path, BY_TIME, records)
    run(recipe, paths)
    parts = parts_of(paths)
    assert {name: int(part["happened_at"].isna().sum()) for name, part in parts.items()} == dict(
        zip(SPLITS, (3, 0, 0), strict=True)
    )
    page = (paths.stage("split") / "card.md").read_text()
    assert "3 records without a time go to train, never to test." in page
    assert "Newer records move these days" in page


def test_without_any_time_all_go_to_train_and_the_card_says_so(tmp_path: Path) -> None:
    recipe, paths = project(tmp_path, BY_TIME, record_rows([(None, None, "x")] * 3))
    run(recipe, paths)
    assert [len(part) for part in parts_of(paths).values()] == [3, 0, 0]
    assert "No record has a time: all 3 go to train." in (paths.stage("split") / "card.md").read_text()


def test_boundaries_by_share_are_the_days_that_come_nearest() -> None:
    bounds = boundaries(dated(*range(10)), BY_TIME)
    assert (str(bounds.validation_from), str(bounds.test_from)) == (
        "2026-01-06 00:00:00+00:00",
        "2026-01-08 00:00:00+00:00",
    )


def test_a_day_is_never_torn() -> None:
    midnights = dated(1, 2, 2, 2, 2, 2, 2, 2, 2, 3).dt.floor("D")
    assert nearest_day(midnights, 3) == pd.Timestamp("2026-01-04", tz="UTC")
    assert nearest_day(midnights, 7) == pd.Timestamp("2026-01-03", tz="UTC")


def test_with_one_date_given_the_other_boundary_is_by_share() -> None:
    bounds = boundaries(dated(*range(10)), Split(by="time", validation=0.2, test=0.3, test_from="2026-01-10"))
    assert (str(bounds.validation_from.date()), str(bounds.test_from.date())) == ("2026-01-08", "2026-01-10")


def test_dates_that_are_none_are_told_together() -> None:
    wrong = Split(by="time", validation_from="2026-02-30", test_from="soon")
    with pytest.raises(RecipeError) as caught:
        boundaries(dated(1), wrong)
    assert "validation_from is '2026-02-30', which is no day" in str(caught.value)
    assert "test_from is 'soon'" in str(caught.value)


def test_validation_after_test_is_refused() -> None:
    with pytest.raises(RecipeError, match="2026-03-01 lies after the start of test, 2026-02-01"):
        boundaries(dated(1), Split(by="time", validation_from="2026-03-01", test_from="2026-02-01"))


def straddling_texts(tmp_path: Path) -> tuple[Recipe, Paths]:
    """A project in which one text stands in several splits, but for case and punctuation."""
    records = record_rows([(None, None, "x")] * 30)
    marks = [f"{'!' * place} Well DONE" for place in range(30)]
    return project(tmp_path, BY_HASH, records.assign(text=pd.Series(marks, dtype="str")))


def test_the_same_words_in_two_splits_stop_the_run_and_leave_no_file(tmp_path: Path) -> None:
    recipe, paths = straddling_texts(tmp_path)
    with pytest.raises(PromiseError, match="1 times in two splits the same text but for case") as caught:
        run(recipe, paths)
    first = sorted(storage.read_table(paths.stage("validate") / "records.parquet")["record_id"])[:3]
    assert str(caught.value).endswith(", ".join(first))
    assert not paths.stage("split").exists()


def test_a_record_and_a_group_in_two_splits_are_told_together() -> None:
    records = record_rows([("a", 1, "x"), ("a", 2, "x")])
    twice = pd.concat([records, records[:1]], ignore_index=True)
    splits = pd.Series(["train", "test", "test"])
    with pytest.raises(PromiseError) as caught:
        refuse_leaks(twice["record_id"], splits, {"group": group_keys(twice), SAME: same(twice)})
    for what in ("record_id", "group", "text"):
        assert f"1 times in two splits the same {what}" in str(caught.value)


def test_texts_without_words_are_compared_as_they_are() -> None:
    assert words("😀") != words("😡")
    assert words("Grüße, JA!") == words("grüsse ja")


def test_files_are_ordered_by_record_id_and_hold_what_training_needs(tmp_path: Path) -> None:
    records = record_rows([(None, day, "x") for day in range(30)])
    recipe, paths = project(tmp_path, BY_HASH, records, consensus_of(records)[5:])
    run(recipe, paths)
    parts = parts_of(paths)
    assert all(part["record_id"].is_monotonic_increasing for part in parts.values())
    assert sorted(pd.concat(parts.values())["record_id"]) == sorted(records["record_id"][5:])
    added = ["label", "rating", "n_labels", "agreement", "share_ham", "share_spam"]
    assert [list(part) for part in parts.values()] == [[*records, *added]] * 3
    assert "5 records without labels are in no split." in (paths.stage("split") / "card.md").read_text()


@pytest.mark.parametrize("split", [BY_HASH, BY_TIME], ids=["hash", "time"])
def test_an_empty_table_gives_three_empty_files_of_the_right_types(tmp_path: Path, split: Split) -> None:
    records = record_rows([(None, 1, "x")])
    recipe, paths = project(tmp_path, split, records[:0])
    run(recipe, paths)
    wanted = records.merge(consensus_of(records), on="record_id").dtypes.to_dict()
    assert [part.dtypes.to_dict() for part in parts_of(paths).values()] == [wanted] * 3
    assert [len(part) for part in parts_of(paths).values()] == [0, 0, 0]


@pytest.mark.parametrize("split", [BY_HASH, BY_TIME], ids=["hash", "time"])
def test_same_records_in_any_order_give_the_same_bytes_and_are_left_alone(tmp_path: Path, split: Split) -> None:
    records = record_rows([("a", 3, "x"), (None, None, "y"), *((None, day, "x") for day in range(20))])
    written = []
    for name, table in {"one": records, "two": records, "reversed": records[::-1].reset_index(drop=True)}.items():
        recipe, paths = project(tmp_path / name, split, table)
        inputs = storage.sha256_file(paths.stage("validate") / "records.parquet")
        run(recipe, paths)
        written.append({file.name: storage.sha256_file(file) for file in sorted(paths.stage("split").iterdir())})
        assert storage.sha256_file(paths.stage("validate") / "records.parquet") == inputs
    assert written[0] == written[1] == written[2]
    assert sorted(written[0]) == ["card.md", "test.parquet", "train.parquet", "validation.parquet"]


def test_the_card_shows_rows_and_classes_by_split_and_domain() -> None:
    records = record_rows([(None, 1, "x"), (None, 2, "x|y"), (None, 0, "x"), (None, 3, "x")])
    labelled = records.merge(consensus_of(records), on="record_id").assign(label=["ham", "ham", "spam", "spam"])
    parts = {"train": labelled[:2], "validation": labelled[2:3], "test": labelled[3:]}
    lines = card(parts, CLASSES, "How.", 0).splitlines()
    assert lines[0] == "How."
    assert "| train | 2 | 50.0% | 100.0% | 0.0% |" in lines
    assert "| x | test | 1 | 50.0% | 0.0% | 100.0% |" in lines
    assert "| x\\|y | train | 1 | 100.0% | 100.0% | 0.0% |" in lines
    assert "| (none) | validation | 1 | 100.0% | 0.0% | 100.0% |" in lines


def test_of_many_domains_the_card_shows_the_largest() -> None:
    records = record_rows([(None, 1, f"source{place:02d}") for place in range(30)] + [(None, 1, "large")] * 5)
    labelled = records.merge(consensus_of(records), on="record_id")
    page = card({"train": labelled}, CLASSES, "How.", 0)
    assert page.index("| large |") < page.index("| source00 |")
    assert "| source29 |" not in page


def test_the_publishers_own_test_set_is_the_test_split_and_no_other_record_is() -> None:
    records = record_rows([(None, 1, "x")] * 60 + [(None, 1, "y")] * 20)
    wanted = Split(by="source", test_sources=("y",), validation=0.3)
    splits, how = decided(records, group_keys(records), wanted)
    assert ((splits == "test") == (records["source"] == "y")).all()
    assert 5 < (splits == "validation").sum() < 35
    assert how.startswith("The records of y are the test set")


def test_a_test_source_without_by_source_is_refused() -> None:
    with pytest.raises(ValueError, match="by: source and test_sources go together"):
        Split(test_sources=("y",))
