"""Append-only shards: what landed once never lands again, and a shard without its manifest never was."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tasks import storage
from tasks.errors import TidemillError
from tasks.manifests import Reading, newest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LABEL_KEY = ("source", "record_id", "annotator", "label", "labelled_at")
"""Label rows that are equal in these are copies of each other."""


def remove_unfinished(folder: Path) -> None:
    """Remove what an interrupted run left: shards without a manifest, and half-written files."""
    for shard in folder.glob("[0-9]*.parquet"):
        if not shard.with_suffix(".json").is_file():
            shard.unlink()
    for part in folder.glob(".*.part"):
        part.unlink()


def landed(folder: Path, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of all rows that have landed, in their order of arrival.

    Raises TidemillError when a shard is missing or damaged.
    """
    shards = [manifest.with_suffix(".parquet") for manifest in sorted(folder.glob("[0-9]*.json"))]
    lost = [shard for shard in shards if not shard.is_file()]
    if lost:
        raise TidemillError(f"{lost[0]}: is missing although its manifest is there; take it back with: dvc checkout")
    tables = [storage.read_table(shard, list(columns)) for shard in shards]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns), dtype="str")


def new_records(incoming: pd.DataFrame, known_ids: "pd.Series[str]") -> pd.DataFrame:
    """The first row of each record that has not landed yet."""
    first = incoming.drop_duplicates("record_id")
    return first[~first["record_id"].isin(known_ids)].reset_index(drop=True)


def new_labels(incoming: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The surplus of the incoming label rows over the ones before, both as multisets of LABEL_KEY.

    Twenty equal ratings of anonymous raters are twenty rows; reading them again brings none.
    """
    if before.empty:
        return incoming.reset_index(drop=True)
    key = list(LABEL_KEY)
    number_here = _copy_numbers(incoming[key])
    number_overall = _copy_numbers(pd.concat([before[key], incoming[key]], ignore_index=True))[len(before) :]
    copies_before = number_overall - number_here
    return incoming[number_here >= copies_before].reset_index(drop=True)


def _copy_numbers(rows: pd.DataFrame) -> "npt.NDArray[np.integer]":
    """For each row how many equal ones stand above it."""
    return rows.groupby(list(rows.columns), dropna=False, sort=False).cumcount().to_numpy()


def land(folder: Path, table: pd.DataFrame, sources: Sequence[Reading], collected_at: pd.Timestamp) -> Path | None:
    """The path of the new shard, or None when there is no row. The manifest is written last: it makes the shard count."""
    if table.empty:
        return None
    content = _parquet(table)
    digest = hashlib.sha256(content).hexdigest()
    number = int((newest(folder) or "0000")[:4]) + 1
    shard = folder / f"{number:04d}-{digest[:8]}.parquet"
    storage.write_bytes(shard, content)
    manifest = {
        "shard": shard.name,
        "sha256": digest,
        "rows": len(table),
        "collected_at": collected_at.isoformat(),
        "sources": [asdict(reading) for reading in sources],
    }
    storage.write_json(shard.with_suffix(".json"), manifest)
    return shard


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()
