"""What a deletion is going to do and what it has done, for the terminal and for programs."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.forget.journal import Plan
from tasks.recipe import load
from tasks.tracking import CHAMPION


@dataclass(frozen=True)
class Outcome:
    """A plan, and the certificate if it was carried out."""

    plan: Plan
    certificate: dict[str, Any] | None
    path: Path | None

    def plain(self) -> dict[str, Any]:
        """The certificate, or the plan of a dry run, as JSON can hold it."""
        return self.certificate or {"dry_run": True, **told(self.plan)}

    def as_text(self) -> str:
        """What was done, in a few lines for a person."""
        if self.certificate is None:
            return "nothing was removed"
        if self.path is None:
            return "nothing is left of it: it was forgotten before"
        again = len(self.certificate["found_again_afterwards"])
        found = f"still found in {again} places" if again else "found nowhere any more"
        left = [f"not removed: {reason}" for reason in self.certificate["not_removed"]]
        return "\n".join([f"searched again afterwards: {found}", *left, f"certificate  {self.path}"])

    def to_retrain(self, root: Path) -> list[str]:
        """The recipes that want a new champion because theirs has learned from the record."""
        if self.certificate is None:
            return []
        tainted = {one.recipe for one in self.plan.exposures if one.tainted and CHAMPION in one.aliases}
        return [name for name in sorted(tainted) if load(root / "recipes" / f"{name}.yaml").forget.retrain_champion]


def told(plan: Plan) -> dict[str, Any]:
    """The plan for people and programs: ids, near copies, counts by place, versions."""
    return {
        "record_ids": list(plan.asked),
        "near_copies": [asdict(copy) for copy in plan.copies],
        "found": [
            {
                "place": place,
                "files": len(some),
                "rows": sum(one.rows for one in some),
                "passages": sum(one.passages for one in some),
            }
            for place in dict.fromkeys(one.place for one in plan.findings)
            for some in [[one for one in plan.findings if one.place == place]]
        ],
        "versions": [asdict(exposure) for exposure in plan.exposures],
        "sources": list(plan.sources),
    }
