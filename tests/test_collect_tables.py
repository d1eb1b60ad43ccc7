"""Files as tables of text: nothing guessed, nothing lost, each fault named by its line."""

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.collect.columns import checked, mapped, numbers, times
from tasks.collect.mail import mail_row, thread, words
from tasks.collect.reading import Part, file_parts, format_of
from tasks.collect.tables import csv_table, json_table, jsonl_table, parquet_table, table_of, tsv_table
from tasks.errors import RecipeError, SourceError
from tasks.recipe import RecordSource

CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\t\n\r\x00\ufeff"), min_size=1)


def source(**more: Any) -> RecordSource:
    return RecordSource.model_validate({"name": "rows", "url": "file:rows.csv", "columns": {"text": "text"}, **more})


def test_a_quoted_csv_cell_may_hold_commas_quotes_and_line_breaks() -> None:
    table = csv_table(b'id,text\n1,"a, ""b""\nc"\n2,d\n', source())
    assert table["text"].tolist() == ['a, "b"\nc', "d"]
    assert table.index.tolist() == [2, 4]


def test_quotes_in_a_tsv_are_letters() -> None:
    assert tsv_table(b'1\t"so\r\n2\tit" is\r\n', source(header=False))["1"].tolist() == ['"so', 'it" is']


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1))
def test_a_tsv_gives_back_what_was_written(rows: list[tuple[str, str]]) -> None:
    content = "".join(f"{first}\t{second}\n" for first, second in rows).encode()
    table = tsv_table(content, source(header=False))
    assert list(table.itertuples(index=False, name=None)) == rows


def test_a_byte_order_mark_is_no_part_of_the_first_cell() -> None:
    assert csv_table(b"\xef\xbb\xbftext\na\n", source()).columns.tolist() == ["text"]


def test_numbers_in_json_stay_as_they_are_written() -> None:
    table = jsonl_table(b'{"a": 1.50, "b": [1, 2], "c": null}\n\n{"a": "x", "d": true}\n', source())
    assert table.iloc[0].dropna().to_dict() == {"a": "1.50", "b": '["1", "2"]'}
    assert table.iloc[1].dropna().to_dict() == {"a": "x", "d": "true"}
    assert table.index.tolist() == [1, 3]


def test_half_a_surrogate_in_json_does_not_break_the_table() -> None:
    assert jsonl_table(b'{"text": "a\\ud83d"}', source())["text"].tolist() == ["a\ufffd"]


def test_a_json_file_may_hold_one_object_or_a_list(tmp_path: Path) -> None:
    assert json_table(b'[{"text": "a"}, {"text": "b"}]', source())["text"].tolist() == ["a", "b"]
    assert json_table(b'{"text": "a"}', source())["text"].tolist() == ["a"]


def test_parquet_cells_become_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    times_of = [pd.Timestamp("2026-11-24T09:30", tz="UTC"), None]
    pd.DataFrame({"text": ["a", None], "n": [1, 2], "at": times_of}).to_parquet(path)
    table = parquet_table(path.read_bytes(), source())
    assert table.iloc[0].tolist() == ["a", "1", "2026-11-24T09:30:00+00:00"]
    assert table["text"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("read", "content", "words_of_error"),
    [
        (csv_table, b"id,text\n1,a\n2\n3,c,d\n", "line 3 has 1, line 4 has 3; every line should have 2 fields"),
        (csv_table, b'id,text\n1,"never closed\n', "line 2: is no valid CSV"),
        (csv_table, b"text,text\na,b\n", "line 1: names column 'text' twice"),
        (csv_table, b"text\nna\xefve\n", "line 2: byte 0xef is no utf-8; set `encoding`"),
        (tsv_table, b"1\ta\n2\tb\tc\n", "line 2 has 3; every line should have 2 fields"),
        (jsonl_table, b'{"text": "a"}\n{"text": \n', "line 2: is no valid JSON"),
        (jsonl_table, b'["a"]\n', "line 1: is no JSON object"),
        (parquet_table, b"PAR1 cut short", "is no readable Parquet"),
    ],
)
def test_a_broken_file_is_named_by_line_with_what_would_be_right(
    read: Any, content: bytes, words_of_error: str
) -> None:
    with pytest.raises(SourceError) as error:
        read(content, source(header=False) if read is tsv_table else source())
    assert words_of_error in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(SourceError, match="encoding 'utf-88' is unknown"):
        csv_table(b"text\na\n", source(encoding="utf-88"))


def test_an_empty_file_is_an_empty_table() -> None:
    part = Part("x", csv_table(b"", source()))
    columns = checked({"text": "text"}, ["text"], "rows")
    assert mapped(part, columns, ["text"]).empty


def test_a_missing_column_is_named_beside_the_ones_that_are_there() -> None:
    part = Part("rows.csv", table_of([{"id": "1", "words": "a"}], pd.RangeIndex(1)))
    columns = checked({"text": "txt", "key": 7}, ["text", "key"], "rows")
    with pytest.raises(SourceError) as error:
        mapped(part, columns, ["text", "key"])
    assert "has no column 'txt' for text; it has id, words" in str(error.value)
    assert "has no column 7 for key; it has 2, counted from 0" in str(error.value)


def test_a_pattern_takes_its_first_group_and_null_where_it_finds_nothing() -> None:
    part = Part("x", table_of([{"id": "12_3"}, {"id": "x"}], pd.RangeIndex(2)))
    declared = source(columns={"group": {"column": "id", "pattern": "^([0-9]+)_"}}).columns
    cells = mapped(part, checked(declared, ["group"], "rows"), ["group"])["group"]
    assert cells.iloc[0] == "12"
    assert cells.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("columns", "words_of_error"),
    [({"txt": "a"}, "txt is none of text, key"), ({"text": {"column": "a", "pattern": "(["}}, "no regular expression")],
)
def test_wrong_columns_in_the_recipe_are_named(columns: Any, words_of_error: str) -> None:
    declared = source(columns=columns).columns
    with pytest.raises(RecipeError, match=words_of_error):
        checked(declared, ["text", "key"], "rows")


def test_times_are_utc_and_a_wrong_one_is_named_by_its_line() -> None:
    cells = pd.Series(
        ["2026-11-24T10:30:00+01:00", "2026-11-24", None], index=pd.Index([2, 3, 4], name="line"), dtype="str"
    )
    assert times(cells, "x").tolist()[:2] == [pd.Timestamp("2026-11-24T09:30Z"), pd.Timestamp("2026-11-24T00:00Z")]
    with pytest.raises(SourceError, match=r"x, line 2 'yesterday' is no time; write ISO 8601"):
        times(pd.Series(["yesterday"], index=pd.Index([2], name="line"), dtype="str"), "x")
    with pytest.raises(SourceError, match=r"x, line 2 'long' is no number"):
        numbers(pd.Series(["long"], index=pd.Index([2], name="line"), dtype="str"), "x")


def test_the_format_is_told_by_the_ending_or_asked_for() -> None:
    assert format_of("https://host/rows.csv.gz?x=1", source()) == "csv"
    with pytest.raises(RecipeError, match=r"rows.format: cannot be told from 'rows.dat'"):
        format_of("a/rows.dat", source())


MAIL = b"""Received: from a by b; Tue, 20 Aug 2002 17:27:47 -0500
Received: from forged by a; Tue, 20 Aug 2099 17:27:47 -0500
From: "Ann" <ann@Example.ORG>
Subject: Re: [list] =?iso-8859-1?q?caf=E9?= news
Content-Type: text/plain; charset=nonsense

> quoted
caf\xe9
"""


def test_a_mail_becomes_a_row() -> None:
    row = mail_row("ham/1", MAIL, "latin-1")
    assert row["text"] == "Re: [list] café news\n> quoted\ncafé"
    assert row["sender_domain"] == "example.org"
    assert row["received_at"] == dt.datetime(2002, 8, 20, 22, 27, 47, tzinfo=dt.UTC).isoformat()
    assert row["path"] == "ham/1"


@pytest.mark.parametrize("date", [b"Tue, 20 Aug 1902 17:27:47 -0500", b"nonsense", b""])
def test_a_mail_with_an_implausible_time_has_none(date: bytes) -> None:
    assert mail_row("x", b"Received: from a by b; " + date + b"\n\nhello", "latin-1")["received_at"] is None


def test_answers_belong_to_the_thread_of_their_subject() -> None:
    assert thread("Re: FW: [exmh] Re[2]: New  window") == thread("new window")
    assert thread("Re:") is None


def test_html_is_read_as_its_words() -> None:
    html = "<style>p {}</style><p>Buy&nbsp;<b>now</b></p><script>x()</script>&amp; here"
    assert words(html) == "Buy now & here"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_mail_reader(content: bytes) -> None:
    row = mail_row("x", content, "latin-1")
    assert table_of([row], pd.RangeIndex(1))["path"].tolist() == ["x"]


def test_several_members_are_several_parts(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        archive.writestr("a/1.csv", "text\none\n")
        archive.writestr("a/2.csv", "text\ntwo\n")
    found = file_parts(source(url="file:rows.zip", member="a/*.csv"), tmp_path / "rows.zip")
    assert [(part.name, part.rows["text"].tolist()) for part in found] == [
        ("file:rows.zip!a/1.csv", ["one"]),
        ("file:rows.zip!a/2.csv", ["two"]),
    ]
