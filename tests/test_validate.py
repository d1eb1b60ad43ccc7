"""Stage validate: what passes, what is set aside, and when the run stops."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks.errors import PromiseError
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import record_id
from tasks.storage import read_table, sha256_file, write_json, write_table
from tasks.validate.data_docs import STYLE, offline
from tasks.validate.run import run

ROOT = Path(__file__).parents[1]
ROWS = 100
OUTPUTS = ("records.parquet", "quarantine.parquet", "card.md")


def recipe(tolerated: float = 0.05) -> Recipe:
    content = yaml.safe_load((ROOT / "recipes" / "inbox.yaml").read_text())
    wanted = {"records": "mine", "labels": "theirs", "tolerated_share": tolerated}
    return Recipe.model_validate({**content, "validate": wanted})


def expectation(kind: str, why: str = "because", **arguments: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": arguments, "meta": {"why": why}}


MOSTLY_SHORT = expectation("expect_column_value_lengths_to_be_between", column="text", max_value=20, mostly=0.9)
NO_SPAM = expectation("expect_column_values_to_not_match_regex", "we sell nothing", column="text", regex="<img")
KNOWN = expectation("expect_column_values_to_be_in_set", column="label", value_set="$classes")
SOME_ROWS = expectation("expect_table_row_count_to_be_between", "not an empty table", min_value=1)


def project(root: Path, texts: dict[int, str] | None = None, classes: dict[int, str] | None = None) -> Paths:
    """A project of ROWS records and labels, with these texts and classes in place of good ones."""
    paths = Paths(root, "inbox")
    words = {number: f"text {number}" for number in range(ROWS)} | (texts or {})
    identities = [record_id(str(number)) for number in range(ROWS)]
    labels = dict.fromkeys(range(ROWS), "ham") | (classes or {})
    records = pd.DataFrame({"record_id": identities, "text": words.values(), "language": "en"}).astype("str")
    write_table(paths.stage("prepare") / "records.parquet", records)
    consensus = pd.DataFrame({"record_id": identities, "label": labels.values()}).astype("str")
    write_table(paths.stage("annotate") / "consensus.parquet", consensus)
    write_json(paths.expectations / "mine.json", {"name": "mine", "expectations": [SOME_ROWS, MOSTLY_SHORT, NO_SPAM]})
    write_json(paths.expectations / "theirs.json", {"name": "theirs", "expectations": [KNOWN]})
    return paths


def outputs(paths: Paths) -> tuple[pd.DataFrame, pd.DataFrame]:
    return (read_table(paths.stage("validate") / "records.parquet"), aside(paths))


def aside(paths: Paths) -> pd.DataFrame:
    return read_table(paths.stage("validate") / "quarantine.parquet")


def test_good_data_passes_whole_and_unchanged(tmp_path: Path) -> None:
    paths = project(tmp_path)
    run(recipe(), paths)
    passed, quarantine = outputs(paths)
    pd.testing.assert_frame_equal(passed, read_table(paths.stage("prepare") / "records.parquet"))
    assert quarantine.empty
    assert list(quarantine.columns) == ["record_id", "expectation", "column", "value", "reason"]


def test_a_failing_row_goes_to_quarantine_with_its_reason(tmp_path: Path) -> None:
    paths = project(tmp_path, texts={7: "buy <img src=x>"})
    run(recipe(), paths)
    passed, quarantine = outputs(paths)
    assert quarantine.to_dict("records") == [
        {
            "record_id": record_id("7"),
            "expectation": "expect_column_values_to_not_match_regex",
            "column": "text",
            "value": "buy <img src=x>",
            "reason": "we sell nothing",
        }
    ]
    assert len(passed) == ROWS - 1
    assert record_id("7") not in set(passed["record_id"])


def test_a_record_whose_label_fails_is_set_aside_too(tmp_path: Path) -> None:
    paths = project(tmp_path, classes={3: "eggs"})
    run(recipe(), paths)
    passed, quarantine = outputs(paths)
    assert quarantine[["record_id", "column", "value"]].to_numpy().tolist() == [[record_id("3"), "label", "eggs"]]
    assert record_id("3") not in set(passed["record_id"])


def test_rows_that_mostly_tolerates_are_not_set_aside(tmp_path: Path) -> None:
    paths = project(tmp_path, texts={number: f"a text far too long to be short {number}" for number in range(10)})
    run(recipe(), paths)
    passed, quarantine = outputs(paths)
    assert quarantine.empty
    assert len(passed) == ROWS
    assert "| 10 | tolerated (mostly) | because |" in (paths.stage("validate") / "card.md").read_text()


def test_all_failing_rows_of_a_broken_mostly_are_set_aside(tmp_path: Path) -> None:
    paths = project(tmp_path, texts={number: f"a text far too long to be short {number}" for number in range(11)})
    run(recipe(tolerated=0.2), paths)
    assert outputs(paths)[1]["record_id"].tolist() == [record_id(str(number)) for number in range(11)]


def test_too_many_failing_rows_stop_the_run_with_a_table(tmp_path: Path) -> None:
    paths = project(tmp_path, texts={number: f"<img {number}" for number in range(6)})
    with pytest.raises(PromiseError) as raised:
        run(recipe(), paths)
    message = str(raised.value)
    assert "records: 6 of 100 rows fail (6.00%), the recipe tolerates 5.00%" in message
    assert re.search(
        r"^records +expect_column_values_to_not_match_regex +text +6 +6.00% +<img 0 \| <img 1$", message, re.MULTILINE
    )
    assert str(paths.stage("validate") / "quarantine.parquet") in message
    assert str(paths.data_docs / "index.html") in message
    assert len(aside(paths)) == 6
    assert (paths.data_docs / "index.html").is_file()
    assert not (paths.stage("validate") / "records.parquet").exists()


def test_just_as_many_failing_rows_as_tolerated_do_not_stop_it(tmp_path: Path) -> None:
    paths = project(tmp_path, texts={number: f"<img {number}" for number in range(5)})
    run(recipe(), paths)
    assert len(outputs(paths)[0]) == 95


def test_a_broken_promise_about_the_whole_table_stops_the_run(tmp_path: Path) -> None:
    paths = project(tmp_path)
    records = read_table(paths.stage("prepare") / "records.parquet")
    write_table(paths.stage("prepare") / "records.parquet", records.head(0))
    with pytest.raises(PromiseError, match=r"records: expect_table_row_count_to_be_between is broken \(found 0\)"):
        run(recipe(), paths)
    assert aside(paths).empty


def test_a_missing_column_stops_the_run_and_is_named(tmp_path: Path) -> None:
    paths = project(tmp_path)
    consensus = read_table(paths.stage("annotate") / "consensus.parquet")
    write_table(paths.stage("annotate") / "consensus.parquet", consensus.drop(columns="label"))
    with pytest.raises(
        PromiseError, match=r"labels: .*cannot be checked: column label is missing; there are record_id"
    ):
        run(recipe(), paths)


def test_the_same_tables_give_the_same_bytes_and_are_left_alone(tmp_path: Path) -> None:
    one, two = (project(tmp_path / name, texts={7: "<img"}, classes={3: "eggs"}) for name in ("one", "two"))
    inputs = (one.stage("prepare") / "records.parquet", one.stage("annotate") / "consensus.parquet")
    before = [sha256_file(path) for path in inputs]
    run(recipe(), one)
    run(recipe(), two)
    assert [sha256_file(path) for path in inputs] == before
    for name in OUTPUTS:
        assert sha256_file(one.stage("validate") / name) == sha256_file(two.stage("validate") / name)


def test_the_pages_are_whole_without_internet_and_without_scripts(tmp_path: Path) -> None:
    hostile = {
        number: f'</td></table><img src="http://x.example/{number}"><script>alert(1)</script>' for number in (1, 2)
    }
    paths = project(tmp_path, texts=hostile)
    run(recipe(), paths)
    run(recipe(), paths)
    pages = sorted(paths.data_docs.rglob("*"))
    assert sum("validations" in page.parts and page.suffix == ".html" for page in pages) == 2
    for page in (page for page in pages if page.is_file()):
        text = page.read_text()
        assert page.suffix == ".html"
        assert not re.search(r"<(script|img|link|iframe|object|embed)\b", text)
        assert not re.search(r"url\(|@import|\bon\w+=\"", text)
        assert not re.search(r"(src|href)=\"?(\w+:)?//", text)
    index = (paths.data_docs / "index.html").read_text().partition("</head>")[2]
    assert index.count("fa-times") == 1
    assert index.count("fa-check-circle") == 1
    for link in re.findall(r'href="([^"#]+)"', index):
        assert (paths.data_docs / link).is_file()


def test_the_pages_show_a_text_with_tags_as_it_was_written(tmp_path: Path) -> None:
    paths = project(tmp_path, texts={1: "</td></table><img src=x>"})
    run(recipe(), paths)
    shown = [page.read_text() for page in paths.data_docs.rglob("records-records.html")]
    assert "&lt;/td&gt;&lt;/table&gt;&lt;img src=x&gt;" in shown[0]


def test_a_page_keeps_its_words_and_inner_links_and_loses_what_a_browser_would_fetch() -> None:
    page = (
        '<html><head><title>t</title><link href="https://a.example/x.css"><script src="//b.example"></script></head>'
        '<body onload="go()"><a href="in.html">in</a><a href="JavaScript:go()">js</a><a href="http://c.example">out</a>'
        '<img src="https://d.example/i.png"><p style="background:url(//e.example)">2 &lt; 3</p></body></html>'
    )
    kept = offline(page, "p{}")
    assert '<a href="in.html">in</a><a>js</a><a>out</a>' in kept
    assert "<p>2 &lt; 3</p>" in kept
    assert "example" not in kept
    assert "go()" not in kept


def test_the_style_is_small_and_fetches_nothing() -> None:
    style = STYLE.read_text()
    assert len(style) < 8_000
    assert "url(" not in style
    assert "@import" not in style


def test_the_suites_of_the_recipes_are_there() -> None:
    for path in (ROOT / "recipes").glob("*.yaml"):
        wanted = yaml.safe_load(path.read_text()).get("validate", {})
        for name in (wanted.get("records", "text_records"), wanted.get("labels", "class_labels")):
            assert json.loads((ROOT / "expectations" / f"{name}.json").read_text())["name"] == name
