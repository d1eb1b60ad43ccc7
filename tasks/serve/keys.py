"""API keys of one recipe's endpoint: only their sha256 is kept, each has a name and scopes, each can be revoked.

A key has 256 random bits, so that a plain hash keeps it: there is nothing to guess (a slow hash is for passwords).
"""

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks import file_lock, storage
from tasks.errors import TidemillError
from tasks.serve.refusal import Refusal

SCOPES = ("predict", "explain", "feedback", "read")
"""What a key may be good for; `read` is metrics, versions, recent answers and the trial."""

PREFIX = "tm_"
UNKNOWN, FORBIDDEN = 401, 403
LOOK_EVERY_S = 1.0
PATIENCE_S = 10.0


def file(home: Path, recipe: str) -> Path:
    """Where the hashes lie."""
    return home / "keys" / f"{recipe}.json"


def add(path: Path, name: str, scopes: tuple[str, ...]) -> str:
    """A new key, to be shown once. Raises TidemillError for a name that is taken or a scope that is none."""
    wrong = sorted(set(scopes) - set(SCOPES))
    if wrong or not scopes:
        raise TidemillError(f"scope {wrong[0] if wrong else ''!r} is unknown; known are: {', '.join(SCOPES)}")
    key = PREFIX + secrets.token_urlsafe(32)
    with file_lock.held(path.with_suffix(".lock"), PATIENCE_S):
        known = listed(path)
        if name in known and not known[name]["revoked_at"]:
            raise TidemillError(f"{path}: there is a key {name!r} already; revoke it first, or take another name")
        entry = {"sha256": _hash(key), "scopes": sorted(scopes), "made_at": _now(), "revoked_at": None}
        storage.write_json(path, {**known, name: entry})
        path.chmod(0o600)
    return key


def revoke(path: Path, name: str) -> None:
    """Make the key good for nothing; servers notice within a second. Raises TidemillError for an unknown name."""
    with file_lock.held(path.with_suffix(".lock"), PATIENCE_S):
        known = listed(path)
        if name not in known:
            raise TidemillError(f"{path}: there is no key {name!r}; known are: {', '.join(sorted(known)) or 'none'}")
        storage.write_json(path, {**known, name: {**known[name], "revoked_at": known[name]["revoked_at"] or _now()}})
        path.chmod(0o600)


def listed(path: Path) -> dict[str, dict[str, Any]]:
    """All keys by name, without the keys themselves."""
    return dict(storage.read_json(path)) if path.is_file() else {}


@dataclass(eq=False)
class Keys:
    """The keys as a server sees them: read again when their file has changed."""

    path: Path
    _by_hash: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    _looked_at: float = 0.0
    _changed_at: int = 0

    def owner(self, header: str, scope: str) -> str:
        """The name of the key in an Authorization header. Raises Refusal 401 or 403."""
        self._refresh()
        way, _, key = header.partition(" ")
        found = self._by_hash.get(_hash(key.strip())) if way.lower() == "bearer" else None
        if found is None:
            raise Refusal(UNKNOWN, "no valid API key; send it as: Authorization: Bearer tm_...")
        name, scopes = found
        if scope not in scopes:
            raise Refusal(FORBIDDEN, f"key {name!r} is not good for {scope}; it is for: {', '.join(sorted(scopes))}")
        return name

    def _refresh(self) -> None:
        if time.monotonic() - self._looked_at < LOOK_EVERY_S and self._looked_at:
            return
        self._looked_at = time.monotonic()
        changed_at = self.path.stat().st_mtime_ns if self.path.is_file() else 0
        if changed_at != self._changed_at:
            valid = {name: entry for name, entry in listed(self.path).items() if not entry["revoked_at"]}
            self._by_hash = {entry["sha256"]: (name, frozenset(entry["scopes"])) for name, entry in valid.items()}
            self._changed_at = changed_at


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
