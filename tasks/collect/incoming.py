"""What the sources hold now: all is read before anything is written, and all faults are told at once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from tasks import storage, tombstones
from tasks.collect import remembered
from tasks.collect.base_model import staged
from tasks.collect.labels import Known, LabelRows, label_rows
from tasks.collect.origins import own_path, stamp
from tasks.collect.reading import Part
from tasks.collect.records import records_of
from tasks.errors import SourceError, TidemillError, listed
from tasks.paths import Paths
from tasks.recipe import BaseModelOrigin, LabelSource, Origin, Recipe, RecordSource, Table

Found = TypeVar("Found")
Fetch = Callable[[Origin], Path]
Read = Callable[[Table], list[Part]]


@dataclass(frozen=True)
class Evidence:
    """How a later run tells that a source is still the same: sha256, size in bytes, modification time in ns."""

    sha256: str | None = None
    size: int | None = None
    modified_ns: int | None = None


@dataclass(frozen=True)
class Incoming:
    """What came, by source name, the folder of a new base model, and the evidence of what was read."""

    records: dict[str, pd.DataFrame]
    labels: dict[str, LabelRows]
    base_model: Path | None
    evidence: dict[str, Evidence]


def incoming(recipe: Recipe, paths: Paths, wanted: Collection[str], landed: pd.DataFrame) -> Incoming:
    """All rows of the wanted sources, those of record sources whose keys wanted labels use, and the base model.

    `landed` (record_id, source, source_key) are the records of earlier runs.
    Raises SourceError with the faults of all sources; nothing was written then.
    """
    fetch = remembered.fetching(paths)
    read = remembered.reading(paths, fetch)
    labelled = [source for source in recipe.labels.sources if source.name in wanted]
    needed = {*wanted, *(source.of for source in labelled)}
    sources = [source for source in recipe.sources if source.name in needed]
    model = {"base_model": recipe.train.base_model} if recipe.train.base_model and "base_model" in wanted else {}
    origins = {**{source.name: source for source in (*sources, *labelled)}, **model}
    evidence, lost = attempted({name: partial(evidence_of, origin, paths, fetch) for name, origin in origins.items()})
    records, wrong = attempted({s.name: partial(_records, s, read, recipe.kind) for s in sources if s.name not in lost})
    known = known_records(recipe, records, landed, tombstones.read(paths.root))
    complete = [s for s in labelled if s.name not in lost] if records.keys() == {s.name for s in sources} else []
    labels, mislabelled = attempted({s.name: partial(_labels, s, read, known) for s in complete})
    models, unfit = attempted(
        {n: partial(staged, m, recipe.kind, paths, fetch) for n, m in model.items() if n not in lost}
    )
    if faults := {**lost, **wrong, **mislabelled, **unfit}:
        raise together(faults, f"collect {recipe.name}")
    return Incoming(records, labels, models.get("base_model"), evidence)


def known_records(
    recipe: Recipe, records: Mapping[str, pd.DataFrame], landed: pd.DataFrame, marks: frozenset[str] = frozenset()
) -> Known:
    """The records that labels may speak of: those that landed and those that came now; the newest meaning of a key wins."""
    tables = [landed, *(table[["record_id", "source", "source_key"]] for table in records.values())]
    rows = pd.concat(tables, ignore_index=True)
    keyed = rows.dropna(subset=["source_key"])
    by_key = {
        str(name): dict(zip(table["source_key"], table["record_id"], strict=True))
        for name, table in keyed.groupby("source", sort=False)
    }
    complete = all(source.limit is None for source in recipe.sources)
    return Known(frozenset(rows["record_id"]), by_key, complete, marks)


def _records(source: RecordSource, read: Read, kind: str) -> pd.DataFrame:
    return records_of(source, read(source), kind)


def _labels(source: LabelSource, read: Read, known: Known) -> LabelRows:
    return label_rows(source, read(source), known)


def attempted(work: Mapping[str, Callable[[], Found]]) -> tuple[dict[str, Found], dict[str, TidemillError]]:
    """The results and the faults of all pieces of work, by name."""
    results: dict[str, Found] = {}
    faults: dict[str, TidemillError] = {}
    for name, piece in work.items():
        try:
            results[name] = piece()
        except TidemillError as error:
            faults[name] = error
    return results, faults


def together(faults: Mapping[str, TidemillError], heading: str) -> SourceError:
    """One error for all; sources with the same fault share a line."""
    names = defaultdict(list)
    for name, error in faults.items():
        names[str(error)].append(name)
    return SourceError(listed([f"{', '.join(who)}: {what}" for what, who in names.items()], heading))


def evidence_of(origin: Origin, paths: Paths, fetch: Fetch) -> Evidence:
    """The evidence of an origin, taken before it is read, so that a later change is always noticed."""
    if origin.url.startswith(("sql:", "hf:", "registry:")):
        return Evidence()
    own = own_path(origin, paths.root) if origin.url.startswith("file:") else None
    if own is not None and own.is_dir() and isinstance(origin, BaseModelOrigin):
        return Evidence(None, *stamp(own))
    path = fetch(origin)
    size, modified_ns = stamp(path)
    return Evidence(origin.sha256 or storage.sha256_file(path), size, modified_ns if own else None)
