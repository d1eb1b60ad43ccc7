"""Which registered versions have met a record, and whether they have learned from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import storage, tracking
from tasks.forget.search import Found
from tasks.registered import SEEN
from tasks.storage import scratch

LEARNED_FROM = ("train", "validation")
"""Training stops, and int8 is accepted, by what validation rows say: they teach too."""

READ_BY = {"train": "train", "validation": "train", "test": "evaluate"}
"""The stage that reads each split."""


@dataclass(frozen=True)
class Exposure:
    """One version whose data held a record that is forgotten."""

    recipe: str
    version: int
    aliases: tuple[str, ...]
    splits: tuple[str, ...]
    """Where the record stood; empty: in data that reached no split."""
    tainted: bool
    why: str


def exposures(models: Iterable[str], found: Found, ids: frozenset[str]) -> list[Exposure]:
    """The versions of all models whose data held one of the records. Raises ServerError."""
    held = []
    for model in models:
        for version in tracking.versions(model):
            with scratch() as folder:
                lineage = storage.read_json(tracking.download(version, "lineage.json", folder))
                learned = _learned(version, folder, ids)
            if exposure := exposure_of(model, version, lineage, found, learned):
                held.append(exposure)
    return held


def exposure_of(
    model: str,
    version: tracking.Version,
    lineage: Mapping[str, Any],
    found: Found,
    learned: frozenset[str] | None = None,
) -> Exposure | None:
    """How the version has met the records; None when it has not.

    `learned` are the splits in which they stand by the version's own list of what it has seen. Where it has none (None),
    the hashes of its data tell. Where the rows that it was trained on are gone too, and its raw data held a record or
    are gone, nobody can tell any more: then it counts as trained on it.
    """
    hashes = {split: _split_hash(lineage, model, split) for split in READ_BY}
    by_data = {split for split, md5 in hashes.items() if found.objects.get(md5 or "", frozenset())}
    splits = tuple(split for split in READ_BY if split in by_data | (learned or frozenset()))
    in_data = _held(_hashes(lineage), found)
    unknown = [name for name in LEARNED_FROM if learned is None and hashes[name] not in found.objects]
    if set(splits) & set(LEARNED_FROM):
        return _exposure(model, version, splits, tainted=True, why=f"it stood in {' and '.join(splits)}")
    if unknown and (in_data or not _raw_is_here(lineage, found)):
        return _exposure(model, version, splits, tainted=True, why=f"its {unknown[0]} rows are gone: nobody can tell")
    if splits or in_data:
        where = "it stood in test alone" if splits else "it stood in data that reached no split"
        return _exposure(model, version, splits, tainted=False, why=where)
    return None


def tags(exposure: Exposure, certificate: str) -> dict[str, str]:
    """What the version is tagged with."""
    return {tracking.FORGOTTEN_TAG: certificate, tracking.TAINTED_TAG: "true" if exposure.tainted else "false"}


def _learned(version: tracking.Version, folder: Path, ids: frozenset[str]) -> frozenset[str] | None:
    """The splits in which the version says that it has seen these records, or None when it has no such list."""
    if not tracking.has(version, SEEN):
        return None
    seen = storage.read_table(tracking.download(version, SEEN, folder), ["record_id", "split"])
    return frozenset(seen.loc[seen["record_id"].isin(ids), "split"])


def _exposure(model: str, version: tracking.Version, splits: tuple[str, ...], *, tainted: bool, why: str) -> Exposure:
    return Exposure(model, version.number, version.aliases, splits, tainted, why)


def _split_hash(lineage: Mapping[str, Any], model: str, split: str) -> str | None:
    inputs: dict[str, str] = lineage["stages"].get(READ_BY[split], {}).get("deps", {})
    return inputs.get(f"data/{model}/split/{split}.parquet")


def _hashes(lineage: Mapping[str, Any]) -> set[str]:
    """Every hash of the version's data."""
    files = [files for stage in lineage["stages"].values() for files in (stage["deps"], stage["outs"])]
    return {*lineage["tracked"].values(), *(md5 for part in files for md5 in part.values())}


def _held(hashes: Iterable[str], found: Found) -> bool:
    return any(found.objects.get(md5) for name in hashes for md5 in (name, *found.listings.get(name, ())))


def _raw_is_here(lineage: Mapping[str, Any], found: Found) -> bool:
    """Whether all the raw shards of the version could be read."""
    inside = found.listings.get(lineage["tracked"].get("raw", ""))
    return inside is not None and all(md5 in found.objects for md5 in inside)
