"""What was forgotten is not collected again, and the file in which it came does not stay."""

from pathlib import Path

import pandas as pd
import pytest

from tasks import storage, tombstones
from tasks.collect.fetch import kept_file
from tasks.collect.forgotten import left_out, remove_fetched
from tasks.collect.incoming import Incoming
from tasks.collect.labels import Known, LabelRows, label_rows
from tasks.collect.reading import Part
from tasks.errors import SourceError, TidemillError
from tasks.paths import Paths
from tasks.recipe import LabelSource, RecordSource
from tasks.records import record_id

MARKS = frozenset({tombstones.mark(record_id("gone")), tombstones.mark(tombstones.keyed("post", "7"))})


def rows(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"record_id": [record_id(text) for text in texts], "text": list(texts)})


def test_records_and_label_rows_of_the_forgotten_are_left_out_and_their_sources_are_named() -> None:
    labels = LabelRows(rows("gone", "gone", "here"), 3, ())
    came = Incoming({"post": rows("here", "gone"), "shop": rows("there")}, {"stars": labels}, None, {})
    kept, bringing = left_out(came, MARKS)
    assert {name: table["text"].tolist() for name, table in kept.records.items()} == {
        "post": ["here"],
        "shop": ["there"],
    }
    assert kept.labels["stars"].table["text"].tolist() == ["here"]
    assert bringing == ["post", "stars"]
    assert came.records["post"]["text"].tolist() == ["here", "gone"]
    assert left_out(came, frozenset()) == (came, [])


def test_labels_that_name_a_forgotten_record_by_id_or_key_are_no_fault() -> None:
    known = Known(frozenset({record_id("here")}), {"post": {"1": record_id("here")}}, marks=MARKS)
    by_key = LabelSource(name="stars", url="file:a.csv", of="post", columns={"key": "k", "label": "l"})
    cells = pd.DataFrame({"k": ["1", "7"], "l": ["good", "bad"]}, dtype="str")
    assert label_rows(by_key, [Part("a.csv", cells)], known).table["label"].tolist() == ["good"]
    by_id = LabelSource(name="stars", url="file:a.csv", columns={"record_id": "k", "label": "l"})
    cells = cells.assign(k=[record_id("here"), record_id("gone")]).astype("str")
    assert label_rows(by_id, [Part("a.csv", cells)], known).table["label"].tolist() == ["good"]
    with pytest.raises(SourceError, match="no such record"):
        label_rows(by_id, [Part("a.csv", cells.assign(k=record_id("other")).astype("str"))], known)


def test_the_download_goes_and_a_file_of_the_user_s_own_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    paths = Paths(tmp_path, "mail")
    (tmp_path / "own.csv").write_text("gone")
    sources = [RecordSource(name="web", url="https://example.org/a.csv", columns={"text": 0})]
    sources += [RecordSource(name="own", url="file:own.csv", columns={"text": 0})]
    sources += [RecordSource(name="hub", url="hf:some/set@main", split="train", columns={"text": 0})]
    storage.write_text(kept_file(sources[0], paths), "gone")
    storage.write_text(paths.home / "hub" / "some___set" / "a.arrow", "gone")
    storage.write_text(paths.home / "hub" / "models--other" / "a", "here")
    remove_fetched(sources, paths)
    assert [file.name for file in paths.home.rglob("*") if file.is_file()] == ["a"]
    assert (tmp_path / "own.csv").read_text() == "gone"


def test_marks_are_added_and_read_and_a_damaged_list_is_named(tmp_path: Path) -> None:
    assert tombstones.read(tmp_path) == frozenset()
    tombstones.add(tmp_path, [tombstones.mark("a")])
    tombstones.add(tmp_path, [tombstones.mark("b"), tombstones.mark("a")])
    assert tombstones.read(tmp_path) == {tombstones.mark("a"), tombstones.mark("b")}
    assert tombstones.forgotten(pd.Series(["a", "c", None]), tombstones.read(tmp_path)).tolist() == [True, False, False]
    tombstones.file(tmp_path).write_text("{}")
    with pytest.raises(TidemillError, match=r"forgotten\.json: is damaged .* git checkout data/forgotten\.json"):
        tombstones.read(tmp_path)
