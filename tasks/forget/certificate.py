"""What a deletion has done, and what it could not do: hashes and counts, never content."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks import ledger, storage
from tasks.forget.journal import Plan
from tasks.forget.search import Finding, Ground

ALWAYS_LEFT = (
    "git: its history holds hashes of data and no data, unless somebody committed texts; it was not searched",
    "other machines: clones, their DVC caches and what was downloaded from our servers are out of reach",
    "memory: a model server keeps its latest answers until it is started again",
    "the disk itself: backups and snapshots of this machine, and blocks that the file system has freed",
)


def file(home: Path, name: str) -> Path:
    """Where a certificate lies."""
    return home / "certificates" / f"{name}.json"


def certificate(plan: Plan, ground: Ground, left: Sequence[Finding], faults: Sequence[str]) -> dict[str, Any]:
    """The certificate. `left` is what a second search over everything has still found."""
    return {
        "certificate": plan.certificate,
        "recipe": plan.recipe,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "record_ids": list(plan.asked),
        "near_copies": [asdict(copy) for copy in plan.copies],
        "searched": [*dict.fromkeys((*ground.local_files(), *(store.name for store in ground.stores)))],
        "found": [_entry(finding, ground) for finding in plan.findings],
        "found_again_afterwards": [finding.plain() for finding in left],
        "versions": [asdict(exposure) for exposure in plan.exposures],
        "not_removed": [*faults, *_weights(plan), *_sources(plan), *ALWAYS_LEFT],
    }


def write(home: Path, content: Mapping[str, Any]) -> Path:
    """Put the certificate on disk."""
    path = file(home, content["certificate"])
    storage.write_json(path, content)
    return path


def enter(home: Path, plan: Plan, path: Path) -> None:
    """An entry in the ledger of each recipe whose data or versions held the record, once."""
    tainted = {
        e.recipe: [one.version for one in plan.exposures if one.recipe == e.recipe and one.tainted]
        for e in plan.exposures
    }
    for recipe in sorted({plan.recipe, *plan.recipes, *tainted}):
        known = [entry for entry in ledger.entries(home, recipe) if entry.kind == "deletion"]
        if any(entry.evidence.get("certificate") == plan.certificate for entry in known):
            continue
        evidence = {
            "reason": f"{len(plan.ids)} record(s) forgotten; versions trained on them: {_listed(tainted.get(recipe, []))}",
            "certificate": plan.certificate,
            "certificate_sha256": storage.sha256_file(path),
            "record_ids": sorted(plan.ids),
            "found": counts(plan.findings),
            "tainted_versions": tainted.get(recipe, []),
        }
        ledger.append(home, recipe, "deletion", None, evidence)


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many files or objects held something, by place."""
    return dict(sorted(Counter(finding.place for finding in findings).items()))


def _entry(finding: Finding, ground: Ground) -> dict[str, Any]:
    """The finding with the file's hash as it is now; null: it is gone."""
    path = ground.root / finding.path
    stored = finding.place in {store.name for store in ground.stores}
    after = storage.sha256_file(path) if path.is_file() and not stored else None
    return {**finding.plain(), "hash_after": after}


def _weights(plan: Plan) -> list[str]:
    tainted = [f"{one.recipe}@{one.version}" for one in plan.exposures if one.tainted]
    return [f"the weights of {', '.join(tainted)}: they have learned from it; train anew"] if tainted else []


def _sources(plan: Plan) -> list[str]:
    return [f"the source {name}: it is not ours to change; collect leaves the record out" for name in plan.sources]


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
