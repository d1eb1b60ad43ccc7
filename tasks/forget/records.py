"""The records of a project as they arrived, and where each came from."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tasks import storage, tombstones
from tasks.forget import places
from tasks.forget.copies import NEAR, Copy
from tasks.forget.tables import TEXT_COLUMNS
from tasks.records import record_id

COLUMNS = ["record_id", "source", "source_key"]


def arrived(root: Path, home: Path) -> dict[str, str]:
    """The text of every record in the shards of all recipes and in the traffic log, by id."""
    found: dict[str, str] = {}
    for path in (*places.shards(root, "raw"), *places.traffic(home)):
        table = storage.read_table(path)
        for column in (name for name in TEXT_COLUMNS if name in table):
            texts = table[column].dropna().astype("str")
            names = table.loc[texts.index, "record_id"] if "record_id" in table else texts.map(record_id)
            found |= dict(zip(names.astype("str"), texts, strict=True))
    return found


def dropped_beside(root: Path, asked: frozenset[str]) -> list[Copy]:
    """The records that `prepare` has dropped as near copies of the asked ones, and those that it kept instead of them."""
    found = []
    for path in sorted((root / "data").glob("*/prepare/dropped.parquet")):
        table = storage.read_table(path).dropna(subset=["of"])
        pairs = list(zip(table["record_id"].astype("str"), table["of"].astype("str"), strict=True))
        for copy, of in (*pairs, *((of, copy) for copy, of in pairs)):
            if of in asked and copy not in asked:
                found.append(Copy(copy, of, 0.0, f"{NEAR}, as prepare has found"))
    return found


def origins(root: Path, ids: frozenset[str]) -> tuple[list[str], list[str]]:
    """The sources (recipe, name, address) that these records came from, and the marks of their names there."""
    said: set[str] = set()
    marks: set[str] = set()
    for shard in places.shards(root, "raw"):
        table = storage.read_table(shard, COLUMNS)
        rows = table[table["record_id"].isin(ids)]
        addresses = {one["name"]: one["url"] for one in storage.read_json(shard.with_suffix(".json"))["sources"]}
        recipe = shard.parts[-3]
        said |= {f"{recipe}.{name} ({addresses.get(name, 'unknown')})" for name in rows["source"].unique()}
        marks |= set(_key_marks(rows))
    return sorted(said), sorted(marks | {tombstones.mark(name) for name in ids})


def _key_marks(rows: pd.DataFrame) -> Iterable[str]:
    keyed = rows.dropna(subset=["source_key"])
    pairs = zip(keyed["source"], keyed["source_key"], strict=True)
    return (tombstones.mark(tombstones.keyed(source, key)) for source, key in pairs)
