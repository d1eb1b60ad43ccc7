"""Shards: what landed once never lands again, and nothing that was interrupted counts."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import TidemillError
from tasks.manifests import Reading
from tasks.shards import LABEL_KEY, land, landed, new_labels, new_records, remove_unfinished
from tasks.storage import sha256_file

NOW = pd.Timestamp("2026-11-24T09:30:00Z")
READING = Reading("rows", "file:rows.csv", None, "MIT", "d" * 64, "a" * 64, 10, 1, 3, 2)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["r", "s"]),
        st.sampled_from(["1", "2"]),
        st.sampled_from([None, "ann", "bob"]),
        st.sampled_from(["good", "bad"]),
        st.sampled_from([None, NOW, NOW + pd.Timedelta(seconds=1)]),
    ),
    max_size=30,
)


def labels(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(LABEL_KEY))
    times = pd.to_datetime(table["labelled_at"], utc=True).astype("datetime64[us, UTC]")
    return table.astype(dict.fromkeys(LABEL_KEY[:-1], "str")).assign(labelled_at=times)


def counted(table: pd.DataFrame) -> Counter[tuple[str, ...]]:
    return Counter(table.astype("object").fillna("-").astype("str").itertuples(index=False, name=None))


@given(ROWS, ROWS)
def test_the_surplus_of_labels_is_the_difference_of_two_multisets(
    before: list[tuple[object, ...]], incoming: list[tuple[object, ...]]
) -> None:
    fresh = new_labels(labels(incoming), labels(before))
    assert counted(fresh) == counted(labels(incoming)) - counted(labels(before))


@given(ROWS)
def test_labels_that_landed_never_land_again(rows: list[tuple[object, ...]]) -> None:
    assert new_labels(labels(rows), labels(rows)).empty


@given(st.lists(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_of_each_new_record_the_first_row_lands(incoming: list[str], known: set[str]) -> None:
    table = pd.DataFrame({"record_id": pd.Series(incoming, dtype="str"), "n": range(len(incoming))})
    fresh = new_records(table, pd.Series(sorted(known), dtype="str"))
    assert fresh["record_id"].tolist() == [name for name in dict.fromkeys(incoming) if name not in known]
    assert fresh["n"].tolist() == [incoming.index(name) for name in fresh["record_id"]]


def test_a_shard_is_named_by_number_and_content_and_its_manifest_tells_where_it_came_from(tmp_path: Path) -> None:
    table = pd.DataFrame({"record_id": ["a", "b"]}, dtype="str")
    first, second = land(tmp_path, table, [READING], NOW), land(tmp_path, table[:1], [READING], NOW)
    assert first is not None
    assert second is not None
    assert first.name == f"0001-{sha256_file(first)[:8]}.parquet"
    assert second.name.startswith("0002-")
    manifest = json.loads(first.with_suffix(".json").read_text())
    assert manifest["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert (manifest["shard"], manifest["rows"]) == (first.name, 2)
    assert manifest["collected_at"] == "2026-11-24T09:30:00+00:00"
    assert manifest["sources"][0]["licence"] == "MIT"
    assert landed(tmp_path, ["record_id"])["record_id"].tolist() == ["a", "b", "a"]


def test_no_row_is_no_shard(tmp_path: Path) -> None:
    assert land(tmp_path, pd.DataFrame({"record_id": []}, dtype="str"), [READING], NOW) is None
    assert list(tmp_path.iterdir()) == []


def test_a_shard_without_manifest_is_removed_and_does_not_count(tmp_path: Path) -> None:
    table = pd.DataFrame({"record_id": ["a"]}, dtype="str")
    whole = land(tmp_path, table, [READING], NOW)
    (tmp_path / "0002-00000000.parquet").write_bytes(b"half")
    (tmp_path / ".0002-00000000.json.12.part").write_bytes(b"half")
    assert whole is not None
    assert landed(tmp_path, ["record_id"])["record_id"].tolist() == ["a"]
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [whole.with_suffix(".json").name, whole.name]


def test_a_lost_shard_is_named_with_the_command_that_brings_it_back(tmp_path: Path) -> None:
    shard = land(tmp_path, pd.DataFrame({"record_id": ["a"]}, dtype="str"), [READING], NOW)
    assert shard is not None
    shard.unlink()
    with pytest.raises(TidemillError, match=r"is missing although its manifest is there; .* dvc checkout"):
        landed(tmp_path, ["record_id"])
