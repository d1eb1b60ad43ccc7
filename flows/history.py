"""What the ledger tells people: what was decided, and what served when."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks import ledger
from tasks.errors import TidemillError
from tasks.ledger import Entry


def recipes(home: Path) -> list[str]:
    """The recipes that have a ledger."""
    return sorted(file.stem for file in ledger.file(home, "any").parent.glob("*.jsonl"))


def listed(home: Path, recipe: str | None) -> list[dict[str, Any]]:
    """The entries of one recipe, or of all in order of time, as plain values."""
    found = [entry for name in ([recipe] if recipe else recipes(home)) for entry in ledger.entries(home, name)]
    return [asdict(entry) for entry in sorted(found, key=lambda entry: entry.at)]


def served(home: Path, recipe: str | None, moment: datetime) -> list[dict[str, Any]]:
    """For each recipe which version served at the moment, since when and why (version None: none did)."""
    names = [recipe] if recipe else recipes(home)
    found = {name: ledger.serving_at(ledger.entries(home, name), moment) for name in names}
    return [_row(name, entry) for name, entry in found.items()]


def _row(recipe: str, entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {"recipe": recipe, "version": None, "since": None, "by": None, "reason": None}
    return {
        "recipe": recipe,
        "version": entry.version,
        "since": entry.at,
        "by": entry.kind,
        "reason": entry.evidence.get("reason"),
    }


def moment(text: str | None) -> datetime:
    """The time in the text (ISO 8601; without a zone: UTC), default now. Raises TidemillError when it is none."""
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise TidemillError(
            f"--at {text!r}: is no time; write it as 2026-11-01T12:00, in UTC unless it says"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def as_text(rows: Sequence[Mapping[str, Any]], at: datetime) -> str:
    """One sentence for each recipe."""
    if not rows:
        return "nothing was ever released here"
    when = at.isoformat(timespec="seconds")
    return "\n".join(
        f"{row['recipe']}@{row['version']} served at {when}, since {row['since'][:19]} by {row['by']}: {row['reason']}"
        if row["version"] is not None
        else f"{row['recipe']}: no version served at {when}"
        for row in rows
    )
