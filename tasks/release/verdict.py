"""Whether a version is promoted, and why, as a person, a page and the ledger read it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.check import Check
from tasks.markdown import table

TOLD = 3
"""Failed checks that the one sentence names; the table has them all."""

BASIS = ("champion", "look", "alpha", "test_rows", "left_out", "claim")


@dataclass(frozen=True)
class Verdict:
    """What was decided, by which checks, and on what basis: the rival, the test rows, the look and its alpha."""

    checks: tuple[Check, ...]
    basis: Mapping[str, Any] = field(default_factory=dict)
    known_reason: str | None = None
    """What the registry says about a version whose evidence is not at hand."""

    @property
    def promoted(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """The decision in one sentence: what was shown, or what stands in the way."""
        if self.known_reason is not None:
            return self.known_reason
        failed = [check for check in self.checks if not check.passed]
        if failed:
            told = "; ".join(f"{check.name}: {check.reason}" for check in failed[:TOLD])
            rest = f"; and {len(failed) - TOLD} more" if len(failed) > TOLD else ""
            return f"{len(failed)} of {len(self.checks)} checks failed; {told}{rest}{self._tie(failed)}"
        others = len(self.checks) - 1
        first = "it is the first version, " if self.basis.get("champion") is None else ""
        return f"{first}{self.checks[0].reason}; {others} other checks hold"

    def _tie(self, failed: Sequence[Check]) -> str:
        """A word on why equality is not enough."""
        tied = self.basis.get("champion") is not None and any(check.name == "better" for check in failed)
        return "; a tie keeps the champion" if tied else ""


def evidence(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON holds it: what the ledger and the registry keep."""
    checks = [asdict(check) for check in verdict.checks]
    return {"promoted": verdict.promoted, "reason": verdict.reason, "checks": checks, **verdict.basis}


def from_evidence(kept: Mapping[str, Any]) -> Verdict:
    """The verdict that this evidence was made of."""
    checks = tuple(Check(**check) for check in kept["checks"])
    return Verdict(checks, {name: kept[name] for name in BASIS if name in kept})


def lines(verdict: Verdict) -> list[str]:
    """One line a check."""
    return [f"{'holds ' if check.passed else 'FAILED'} {check.name}: {check.reason}" for check in verdict.checks]


def markdown(verdict: Verdict) -> str:
    """A table of the checks, and on what they were made."""
    rows = [(check.name, "holds" if check.passed else "**failed**", check.reason) for check in verdict.checks]
    return "\n\n".join(filter(None, [_basis(verdict.basis), table(["check", "", "why"], rows) if rows else ""]))


def _basis(basis: Mapping[str, Any]) -> str:
    if not basis:
        return ""
    rows, rival = basis["test_rows"], basis["champion"]
    seal = f"{rows['rows']:,} test rows, sha256 `{rows['sha256'][:16]}` over their ids and labels"
    if rival is None:
        return f"No champion to compare with. {seal[0].upper()}{seal[1:]}."
    claim = basis.get("claim")
    where = f" of {claim['slice']}, where it was claimed to be better before the labels were seen" if claim else ""
    return (
        f"Against champion {rival}, on {seal}{where}; {basis['left_out']:,} of them are left out, since the champion may have "
        f"learned from them. Verdict {basis['look']} on such rows, which leaves it an alpha of {basis['alpha']:.2g}."
    )
