"""What a deletion finds, takes out and leaves alone, without servers."""

import gzip
import html
import io
import json
import sqlite3
import tarfile
import zipfile
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import storage, tracking
from tasks.forget import contents, databases, exposure, tables
from tasks.forget.copies import NEAR, QUOTES, copies
from tasks.forget.needles import LEAST, MARK, forms, needles, redacted, spans
from tasks.forget.search import Found
from tasks.forget.shards import rewrite
from tasks.forget.target import Target, of_texts
from tasks.records import record_id

TEXT = 'The <b>parcel</b> came late & cost £219: "I\'d not buy" | so it was,\n said the woman from Café Ümlaut.'
OTHER = "Another customer was content with the parcel and said so in a long friendly letter to the shop."


def target(*texts: str) -> Target:
    return of_texts(texts)


@given(before=st.text(max_size=80), after=st.text(max_size=80), form=st.sampled_from(sorted(forms(TEXT))))
def test_a_text_is_found_in_whatever_way_it_is_written(before: str, after: str, form: bytes) -> None:
    content = b"%s\n%s\n%s" % (before.encode("utf-8", "replace"), form, after.encode("utf-8", "replace"))
    cleaned, count = redacted(content, target(TEXT).needles)
    assert count >= 1
    assert b"parcel" not in cleaned
    assert cleaned.startswith(before.encode("utf-8", "replace"))


@given(start=st.integers(0, len(TEXT) - LEAST), more=st.integers(0, 60), shift=st.integers(0, 40))
def test_an_excerpt_is_found_wherever_it_begins_and_ends(start: int, more: int, shift: int) -> None:
    plain = TEXT.replace("é", "e").replace("Ü", "U").replace("£", "L")
    content = b"x" * shift + plain[start : start + LEAST + more].encode() + b"y" * 7
    cleaned, count = redacted(content, target(plain).needles)
    assert count == 1
    assert len(cleaned) <= shift + 7 + len(MARK) + 8


@given(text=st.text(st.characters(codec="utf-8"), max_size=300))
def test_what_shares_no_passage_is_left_as_it_is(text: str) -> None:
    content = text.encode() + OTHER.encode()
    assert redacted(content, target(TEXT).needles) == (content, 0)


def test_json_and_html_stay_whole_when_a_passage_is_taken_out_of_them() -> None:
    wanted = target(TEXT).needles
    page = f"<ul><li>{html.escape(TEXT)}</li><li>{html.escape(OTHER)}</li></ul>"
    assert redacted(page.encode(), wanted)[0].decode() == f"<ul><li>[forgotten]</li><li>{OTHER}</li></ul>"
    value = json.loads(redacted(json.dumps([{"a": TEXT, "b": OTHER}]).encode(), wanted)[0])
    assert (value[0]["a"], value[0]["b"]) == (MARK.decode(), OTHER)


def test_a_short_text_is_found_only_where_it_stands_alone() -> None:
    wanted = target("Good.").needles
    assert redacted(b"<td>Good.</td> Good. Very Good.", wanted) == (b"<td>[forgotten]</td> Good. Very Good.", 1)


def test_rows_go_by_id_and_by_text_and_other_cells_are_marked(tmp_path: Path) -> None:
    wanted = target(TEXT)
    with_ids = pd.DataFrame(
        {
            "record_id": [record_id(TEXT), record_id(OTHER)],
            "text": [TEXT, f"He quotes: {TEXT}"],
            "value": ["1", TEXT[:59]],
        }
    )
    file = tmp_path / "rows.parquet"
    storage.write_table(file, with_ids)
    assert contents.file_hits(file, wanted).rows == 1
    assert contents.erase(file, wanted)
    left = storage.read_table(file)
    # Another record's own text is that record's; what tells about it is not.
    assert left.to_dict("list") == {
        "record_id": [record_id(OTHER)],
        "text": [f"He quotes: {TEXT}"],
        "value": ["[forgotten]"],
    }
    traffic = pd.DataFrame({"text": [f"  {TEXT} ", OTHER], "vector": [[0.5], [1.5]]})
    storage.write_table(file, traffic)
    contents.erase(file, wanted)
    assert storage.read_table(file)["text"].tolist() == [OTHER]
    nested = pd.DataFrame({"id": [1, 2], "answers": [[{"said": TEXT}], [{"said": OTHER}]]})
    storage.write_table(file, nested)
    contents.erase(file, wanted)
    assert storage.read_table(file)["id"].tolist() == [2]


def test_the_table_of_a_stage_is_written_as_the_stage_would_write_it(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "record_id": [record_id(TEXT), record_id(OTHER)],
            "text": [TEXT, OTHER],
            "at": pd.to_datetime(["2026-01-01", None], utc=True),
        }
    )
    storage.write_table(tmp_path / "all.parquet", rows)
    storage.write_table(tmp_path / "rest.parquet", rows[1:].reset_index(drop=True))
    contents.erase(tmp_path / "all.parquet", target(TEXT))
    pd.testing.assert_frame_equal(
        storage.read_table(tmp_path / "all.parquet"), storage.read_table(tmp_path / "rest.parquet")
    )


def test_a_database_keeps_no_free_page_that_tells(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute('CREATE TABLE "log ""of"" runs" (id TEXT PRIMARY KEY, message TEXT, data JSON)')
        rows = [(str(number), OTHER, json.dumps({"page": OTHER})) for number in range(200)]
        rows += [("x", f"fails: {TEXT[:50]}", json.dumps({"page": f"| {TEXT} |"})), ("y", TEXT, None)]
        database.executemany('INSERT INTO "log ""of"" runs" VALUES (?, ?, ?)', rows)
        database.commit()
        database.execute("""DELETE FROM "log ""of"" runs" WHERE id = 'y'""")
        database.commit()
    wanted = target(TEXT)
    assert contents.file_hits(file, wanted)
    assert contents.erase(file, wanted)
    assert not contents.file_hits(file, wanted)
    assert b"parcel</b>" not in file.read_bytes()
    with closing(sqlite3.connect(file)) as database:
        found = database.execute("""SELECT message, data FROM "log ""of"" runs" WHERE id = 'x'""").fetchone()
        assert found[0].startswith("fails: [forgotten]")
        assert json.loads(found[1])["page"].startswith("| [forgotten]")
        assert database.execute('SELECT count(*) FROM "log ""of"" runs"').fetchone() == (201,)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "some.db").write_bytes(databases.START + b"no pages")
    with pytest.raises(Exception, match=r"some\.db: cannot be cleaned"):
        contents.file_hits(tmp_path / "some.db", target(TEXT))


def packed(text: str) -> dict[str, bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/a.csv", text)
    with tarfile.open(fileobj=tarred, mode="w:xz") as archive:
        entry = tarfile.TarInfo("inner.zip")
        entry.size = len(zipped.getvalue())
        archive.addfile(entry, io.BytesIO(zipped.getvalue()))
    return {"a.gz": gzip.compress(text.encode()), "a.zip": zipped.getvalue(), "a.tar.xz": tarred.getvalue()}


@pytest.mark.parametrize("name", ["a.gz", "a.zip", "a.tar.xz"])
def test_an_archive_that_holds_the_text_goes_and_another_one_stays(tmp_path: Path, name: str) -> None:
    for text, there in ((TEXT, False), (OTHER, True)):
        (tmp_path / name).write_bytes(packed(text)[name])
        found = contents.file_hits(tmp_path / name, target(TEXT))
        assert bool(found) is not there
        if found:
            contents.erase(tmp_path / name, target(TEXT))
        assert (tmp_path / name).exists() is there


def test_an_archive_cut_short_is_searched_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed(TEXT)["a.zip"][:-30])
    assert not contents.file_hits(tmp_path / "a.zip", target(OTHER))


def test_copies_are_what_is_near_and_what_quotes_the_whole(tmp_path: Path) -> None:
    near = TEXT.replace("late", "very late").replace("Ümlaut", "Umlaut")
    records = {"a": TEXT, "b": near, "c": f"See below.\n{TEXT}\nYours, A. " + OTHER * 3, "d": OTHER}
    found = copies({"a": TEXT}, records, 0.7)
    assert [(copy.record_id, copy.of, copy.how) for copy in found] == [("b", "a", NEAR), ("c", "a", QUOTES)]
    assert copies({}, records, 0.7) == []


def shard(folder: Path, texts: list[str]) -> Path:
    file = folder / "0001-abcdef01.parquet"
    storage.write_table(file, pd.DataFrame({"record_id": [record_id(text) for text in texts], "text": texts}))
    manifest = {"shard": file.name, "sha256": storage.sha256_file(file), "rows": len(texts), "sources": [{"name": "a"}]}
    storage.write_json(file.with_suffix(".json"), manifest)
    return file


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_shard_keeps_its_name_and_its_manifest_says_how_many_rows_are_gone(tmp_path: Path, cut_off: bool) -> None:
    file = shard(tmp_path, [TEXT, OTHER, "third"])
    if cut_off:
        # The rows are gone and the manifest does not know yet.
        table = tables.read(file.read_bytes())
        file.write_bytes(tables.written(tables.without(table, target(TEXT))))
    rewrite(file, target(TEXT))
    rewrite(file, target(TEXT))
    rewrite(file, target("third"))
    manifest = storage.read_json(file.with_suffix(".json"))
    assert manifest == {
        "shard": file.name,
        "sha256": storage.sha256_file(file),
        "rows": 1,
        "sources": [{"name": "a"}],
        "forgotten": 2,
    }
    rewrite(file, target(OTHER))
    assert storage.read_json(file.with_suffix(".json"))["rows"] == 0
    assert storage.read_table(file).empty


LINEAGE = {
    "tracked": {"raw": "raw.dir"},
    "stages": {
        "split": {"deps": {}, "outs": {"data/r/split": "split.dir"}},
        "train": {"deps": {"data/r/split/train.parquet": "t", "data/r/split/validation.parquet": "v"}, "outs": {}},
        "evaluate": {"deps": {"data/r/split/test.parquet": "e"}, "outs": {}},
    },
}
LISTINGS = {"raw.dir": frozenset({"s"}), "split.dir": frozenset({"t", "v", "e"})}
NONE, HELD = frozenset[str](), frozenset({"x"})


@pytest.mark.parametrize(
    ("objects", "splits", "tainted"),
    [
        ({"s": HELD, "t": HELD, "v": NONE, "e": NONE}, ("train",), True),
        ({"s": HELD, "t": NONE, "v": HELD, "e": NONE}, ("validation",), True),
        ({"s": HELD, "t": NONE, "v": NONE, "e": HELD}, ("test",), False),
        ({"s": HELD, "t": NONE, "v": NONE, "e": NONE}, (), False),
        ({"s": HELD, "v": NONE, "e": NONE}, (), True),
        ({"v": NONE, "e": NONE}, (), True),
    ],
)
def test_a_version_is_tainted_when_it_learned_from_the_record_or_nobody_can_tell(
    objects: dict[str, frozenset[str]], splits: tuple[str, ...], tainted: bool
) -> None:
    version = tracking.Version(3, "run", ("champion",), {})
    found = exposure.exposure_of("r", version, LINEAGE, Found((), objects, LISTINGS))
    assert found is not None
    assert (found.splits, found.tainted, found.aliases) == (splits, tainted, ("champion",))


def test_a_version_without_the_record_is_not_named() -> None:
    version = tracking.Version(3, "run", (), {})
    for objects in ({"s": NONE, "t": NONE, "v": NONE, "e": NONE}, {"s": NONE}):
        assert exposure.exposure_of("r", version, LINEAGE, Found((), objects, LISTINGS)) is None


def test_looking_changes_nothing() -> None:
    content = TEXT.encode()
    assert spans(content, needles([TEXT], [])) == [(0, len(content))]
    assert content == TEXT.encode()


def test_a_file_that_another_process_has_removed_meanwhile_holds_nothing(tmp_path):
    gone = tmp_path / "gone.parquet"
    assert not contents.is_table(gone)
    assert not contents.file_hits(gone, of_texts(["a text that nobody has"]))
