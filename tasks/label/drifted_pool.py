"""The pool of a drifted window: what was asked of the endpoint or corrected by its users, and is not in the data yet."""

import importlib
import json
from datetime import datetime

import pandas as pd

from tasks import shards, tides, tombstones, traffic
from tasks.label.corrections import lines
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import BESIDE_CONTENT, CONTENT_COLUMN, record_id
from tasks.tides import Standing

CORRECTED = "corrected"


def drifted_pool(recipe: Recipe, paths: Paths, now: Standing) -> pd.DataFrame:
    """What the drifted window and its corrections hold and the data do not; nothing that was forgotten.

    Columns: record_id, those of the content, happened_at, why (CORRECTED or null), and source and group, by which a
    split is decided.
    """
    evidence = now.drift.evidence if now.drift else {}
    since, until = (datetime.fromisoformat(evidence[name]) for name in ("since", "until"))
    version = now.drift.version if now.drift else None
    span = traffic.Span(version or 0, since, until)
    column = CONTENT_COLUMN[recipe.kind]
    asked = traffic.contents(paths.traffic, span, column, recipe.serve.traffic)
    both = _read(pd.concat([corrections(paths, column, since), asked.assign(why=None)], ignore_index=True), recipe.kind)
    known = set(shards.landed(paths.raw, ["record_id"])["record_id"])
    new = both.drop_duplicates("record_id")
    new = new[~new["record_id"].isin(known) & ~tombstones.forgotten(new["record_id"], tombstones.read(paths.root))]
    return new.assign(source=tides.TRAFFIC, group=None).reset_index(drop=True)


def _read(given: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows with the content as a record of its kind holds it, and its record_id."""
    column, content = CONTENT_COLUMN[kind], importlib.import_module(f"tasks.label.{kind}").content
    rows = [content(one) for one in given[column]]
    columns = {name: [row[name] for row in rows] for name in (column, *BESIDE_CONTENT[kind])}
    return given.assign(**columns, record_id=[record_id(one) for one in columns[column]])


def corrections(paths: Paths, column: str, since: datetime) -> pd.DataFrame:
    """What users have corrected since then: the content as they gave it, happened_at, why."""
    told = (_correction(line) for _, line in lines(paths.corrections))
    rows = [row for row in told if row and datetime.fromisoformat(row["labelled_at"]) >= since]
    times = pd.to_datetime(pd.Series([row["labelled_at"] for row in rows], dtype="str"), utc=True)
    given = pd.Series([row[column] for row in rows], dtype="str")
    return pd.DataFrame({"happened_at": times.astype("datetime64[us, UTC]"), column: given, "why": CORRECTED})


def _correction(line: str) -> dict[str, str] | None:
    """The line's values; one that was cut off when the machine stopped holds none."""
    try:
        found: dict[str, str] = json.loads(line)
    except ValueError:
        return None
    return found
