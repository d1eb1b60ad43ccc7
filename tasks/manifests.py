"""What has been read already, by the manifests beside the shards. Imports nothing slow: it is asked at every start."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import TidemillError
from tasks.paths import Paths

Readings = dict[str, list[dict[str, Any]]]
"""By declaration: what each run read under it."""


@dataclass(frozen=True)
class Reading:
    """What one source gave in one run. Size (bytes) and modification time (ns) are those of a file of the user's own."""

    name: str
    url: str
    member: str | None
    licence: str
    declaration: str
    sha256: str | None
    size: int | None
    modified_ns: int | None
    rows_read: int
    rows_new: int


def newest(folder: Path) -> str | None:
    """The name of the last manifest in a shard folder."""
    return max((path.name for path in folder.glob("[0-9]*.json")), default=None)


def manifests(folder: Path, pattern: str = "[0-9]*.json") -> list[dict[str, Any]]:
    """The manifests in a folder, the oldest first."""
    return [_read(path) for path in sorted(folder.glob(pattern))]


def seen_file(paths: Paths) -> Path:
    """What this machine has read without finding anything new, which no manifest tells."""
    return paths.home / "collect" / paths.recipe / "seen.json"


def seen(folder: Path, paths: Paths) -> list[dict[str, Any]]:
    """What this machine has read for a shard folder; it counts while the newest shard is the one of then."""
    known = _read(seen_file(paths)).get(folder.name, {}) if seen_file(paths).is_file() else {}
    return list(known.get("sources", [])) if known.get("newest") == newest(folder) else []


def readings(folder: Path, paths: Paths) -> Readings:
    """All that was read into a shard folder, on any machine."""
    landed = [entry for manifest in manifests(folder) for entry in manifest["sources"]]
    return _by_declaration([*landed, *seen(folder, paths)])


def _by_declaration(entries: Iterable[dict[str, Any]]) -> Readings:
    found: Readings = defaultdict(list)
    for entry in entries:
        found[entry["declaration"]].append(entry)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TidemillError(f"{path}: is no valid JSON ({error}); take it back with: dvc checkout") from error
    return content
