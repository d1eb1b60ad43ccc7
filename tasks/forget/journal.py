"""What a deletion has set out to do, on disk before the first byte goes: ids, hashes and counts, never content.

A text is known from the project's own tables, so these go last: whoever takes up a deletion that was cut off finds
the texts there, or nothing but rows is left, which are known by their ids.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks import storage
from tasks.forget.copies import Copy
from tasks.forget.exposure import Exposure
from tasks.forget.search import Finding


@dataclass(frozen=True)
class Plan:
    """One deletion: what was asked for, what goes with it, where it stands, and which versions met it."""

    certificate: str
    recipe: str
    asked: tuple[str, ...]
    copies: tuple[Copy, ...]
    sources: tuple[str, ...]
    """Origins that still hold a record."""
    marks: tuple[str, ...] = field(repr=False)
    """Marks (tasks.tombstones) of the records and of their names in their sources."""
    findings: tuple[Finding, ...]
    exposures: tuple[Exposure, ...]
    recipes: tuple[str, ...]
    """Recipes whose data hold a record."""
    unreachable: tuple[str, ...]

    @property
    def ids(self) -> frozenset[str]:
        """The asked records and their copies."""
        return frozenset((*self.asked, *(copy.record_id for copy in self.copies)))


def file(home: Path) -> Path:
    """Where the deletion that is going on has its journal."""
    return home / "forget" / "journal.json"


def write(home: Path, plan: Plan) -> None:
    """Put the plan on disk."""
    storage.write_json(file(home), asdict(plan))


def read(home: Path) -> Plan | None:
    """The plan of a deletion that was cut off, or None."""
    if not file(home).is_file():
        return None
    content: dict[str, Any] = storage.read_json(file(home))
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    plain["copies"] = tuple(Copy(**entry) for entry in plain["copies"])
    plain["findings"] = tuple(Finding(**entry) for entry in plain["findings"])
    plain["exposures"] = tuple(_exposure(entry) for entry in plain["exposures"])
    return Plan(**plain)


def remove(home: Path) -> None:
    """The deletion is done."""
    file(home).unlink(missing_ok=True)


def with_findings(plan: Plan, findings: tuple[Finding, ...]) -> Plan:
    """The plan with what a second search has found beside."""
    known = {(one.place, one.path) for one in plan.findings}
    return replace(plan, findings=(*plan.findings, *(one for one in findings if (one.place, one.path) not in known)))


def _exposure(entry: dict[str, Any]) -> Exposure:
    return Exposure(**entry | {"aliases": tuple(entry["aliases"]), "splits": tuple(entry["splits"])})
