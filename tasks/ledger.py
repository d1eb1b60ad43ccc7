"""What was decided and done about the versions of a recipe: an append-only record, each entry sealed by the next.

One line of JSON an entry. `previous` is the sha256 of the line before, so that a line that was changed, taken out or
put in later is noticed (a hash chain, after Haber and Stornetta 1991).
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tasks import file_lock
from tasks.errors import TidemillError
from tasks.storage import disk_faults

Kind = Literal["verdict", "promotion", "rollback", "deletion", "canary", "drift", "question", "answers", "stop"]
SERVING: tuple[Kind, ...] = ("promotion", "rollback")
"""Entries after which another version serves."""

FIRST = "0" * 64
"""What the first entry has as `previous`."""

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Entry:
    """One thing that was decided or done: about which version, when (UTC, ISO 8601), and on what evidence."""

    recipe: str
    kind: Kind
    version: int | None
    at: str
    evidence: Mapping[str, Any]
    previous: str


def file(home: Path, recipe: str) -> Path:
    """Where a recipe's ledger lies."""
    return home / "ledger" / f"{recipe}.jsonl"


def append(home: Path, recipe: str, kind: Kind, version: int | None, evidence: Mapping[str, Any]) -> Entry:
    """The new last entry, durably on disk. What a killed writer left of an entry is taken out first.

    Raises TidemillError when the ledger was tampered with or the disk is full.
    """
    path = file(home, recipe)
    with file_lock.held(path.with_suffix(".lock"), PATIENCE_S), disk_faults(path):
        lines = _whole_lines(path)
        # A clock that was set back must not make the order of the entries a lie.
        at = max([_now(), *(entry.at for entry in _checked(path, lines))])
        entry = Entry(recipe, kind, version, at, evidence, _seal(lines))
        with path.open("ab") as output:
            output.truncate(sum(len(line) + 1 for line in lines))
            output.write(_line(entry) + b"\n")
            output.flush()
            os.fsync(output.fileno())
    return entry


def entries(home: Path, recipe: str) -> list[Entry]:
    """All entries, oldest first; none if nothing was ever decided. Raises TidemillError on a broken chain."""
    path = file(home, recipe)
    return list(_checked(path, _whole_lines(path)))


def seal(entry: Entry) -> str:
    """The sha256 of the entry's line: what the next entry has as `previous`, and a consequence as its `cause`."""
    return _seal([_line(entry)])


def serving_at(history: list[Entry], moment: datetime) -> Entry | None:
    """The entry by which a version served at `moment` (with a time zone), or None: none did yet."""
    return serving([entry for entry in history if datetime.fromisoformat(entry.at) <= moment])


def serving(history: Sequence[Entry]) -> Entry | None:
    """The entry by which the version of the history's end serves, or None."""
    return next((entry for entry in reversed(history) if entry.kind in SERVING), None)


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that end; a last one that does not was being written when its writer died, and never counted."""
    return path.read_bytes().split(b"\n")[:-1] if path.is_file() else []


def _checked(path: Path, lines: list[bytes]) -> Iterator[Entry]:
    """The entries in the lines. Raises TidemillError that names the first line which does not fit the one before."""
    for number, line in enumerate(lines, start=1):
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise TidemillError(f"{path}, line {number}: is no ledger entry ({error}); {_MEND}") from error
        if entry.previous != _seal(lines[: number - 1]):
            raise TidemillError(f"{path}, line {number}: does not follow the line before it; {_MEND}")
        yield entry


_MEND = "the ledger was changed by hand: put back a copy of the file, or move it away to begin a new one"


def _seal(lines: list[bytes]) -> str:
    return hashlib.sha256(lines[-1]).hexdigest() if lines else FIRST


def _now() -> str:
    """The time in UTC with microseconds: such texts sort as their times do."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry), sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
