"""What came, landed: new records, surplus label rows and the base model, each with what its sources gave."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks import manifests, shards, storage
from tasks.collect.base_model import land_model, land_nothing
from tasks.collect.incoming import Evidence, Incoming
from tasks.collect.origins import declaration, shown
from tasks.collect.pending import label_declaration
from tasks.manifests import Reading
from tasks.paths import Paths
from tasks.recipe import Origin, Recipe, Table
from tasks.records import record_columns

LABEL_ORDER = ["record_id", "annotator", "label", "labelled_at", "seconds", "source"]


@dataclass(frozen=True)
class Landed:
    """What each source that was read gave, and whether another base model stands there now."""

    records: list[Reading]
    labels: list[Reading]
    new_model: bool = False


def land(recipe: Recipe, paths: Paths, came: Incoming, wanted: Sequence[str], now: pd.Timestamp) -> Landed:
    """Write the shards and the base model, each complete before its manifest."""
    known = {folder: manifests.seen(folder, paths) for folder in (paths.raw, paths.labels)}
    landed = Landed(
        _land_records(recipe, paths, came, wanted, now),
        _land_labels(recipe, paths, came, now),
        _land_model(recipe, paths, came, wanted, now),
    )
    _remember(paths, known, {paths.raw: landed.records, paths.labels: landed.labels})
    return landed


def _land_records(
    recipe: Recipe, paths: Paths, came: Incoming, wanted: Sequence[str], now: pd.Timestamp
) -> list[Reading]:
    tables = {source.name: came.records[source.name] for source in recipe.sources if source.name in wanted}
    if not tables:
        return []
    fresh = shards.new_records(
        pd.concat(tables.values(), ignore_index=True), shards.landed(paths.raw, ["record_id"])["record_id"]
    )
    said = {source.name: declaration(source) for source in recipe.sources}
    read = {name: len(table) for name, table in tables.items()}
    readings = _readings([s for s in recipe.sources if s.name in tables], said, came.evidence, read, fresh)
    stamped = fresh.assign(collected_at=pd.Series(now, index=fresh.index, dtype="datetime64[us, UTC]"))
    shards.land(paths.raw, stamped[record_columns(recipe.kind)], readings, now)
    return readings


def _land_labels(recipe: Recipe, paths: Paths, came: Incoming, now: pd.Timestamp) -> list[Reading]:
    if not came.labels:
        return []
    incoming = pd.concat([rows.table for rows in came.labels.values()], ignore_index=True)
    fresh = shards.new_labels(incoming, shards.landed(paths.labels, shards.LABEL_KEY))
    sources = [source for source in recipe.labels.sources if source.name in came.labels]
    said = {source.name: label_declaration(source, recipe) for source in sources}
    read = {name: rows.rows_read for name, rows in came.labels.items()}
    readings = _readings(sources, said, came.evidence, read, fresh)
    shards.land(paths.labels, fresh[LABEL_ORDER], readings, now)
    return readings


def _land_model(recipe: Recipe, paths: Paths, came: Incoming, wanted: Sequence[str], now: pd.Timestamp) -> bool:
    model = recipe.train.base_model
    if model is None:
        return "base_model" in wanted and land_nothing(paths, now)
    if came.base_model is None:
        return False
    source = _reading("base_model", model, declaration(model), came.evidence["base_model"], (0, 0))
    return land_model(came.base_model, paths, source, now)


def _readings(
    sources: Sequence[Table],
    said: Mapping[str, str],
    evidence: Mapping[str, Evidence],
    read: Mapping[str, int],
    fresh: pd.DataFrame,
) -> list[Reading]:
    new = fresh["source"].value_counts()
    return [
        _reading(s.name, s, said[s.name], evidence[s.name], (read[s.name], int(new.get(s.name, 0)))) for s in sources
    ]


def _reading(name: str, origin: Origin, said: str, evidence: Evidence, rows: tuple[int, int]) -> Reading:
    return Reading(
        name=name,
        url=shown(origin.url),
        member=origin.member,
        licence=origin.licence,
        declaration=said,
        sha256=evidence.sha256,
        size=evidence.size,
        modified_ns=evidence.modified_ns,
        rows_read=rows[0],
        rows_new=rows[1],
    )


def _remember(paths: Paths, known: Mapping[Path, list[dict[str, Any]]], read: Mapping[Path, Sequence[Reading]]) -> None:
    """Note what was read, so that a source that gave nothing new is not read at every start."""
    content = {}
    for folder, readings in read.items():
        entries = {entry["declaration"]: entry for entry in (*known[folder], *map(asdict, readings))}
        content[folder.name] = {"newest": manifests.newest(folder), "sources": list(entries.values())}
    storage.write_json(manifests.seen_file(paths), content)
