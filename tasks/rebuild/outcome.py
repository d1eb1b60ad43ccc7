"""What a rebuild has come to, as values, text and JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tasks.rebuild.differences import Cause, Row
from tasks.rebuild.nearness import Nearness

Verdict = Literal["IDENTICAL", "WITHIN TOLERANCE", "DIFFERENT"]

TOLD = 6
"""Causes that a person is shown."""

SHOWN_MD5 = 12


@dataclass(frozen=True)
class Outcome:
    """How a version that was made again compares with what was recorded."""

    name: str
    verdict: Verdict
    stages: int
    """How many were recorded; fewer rows: it ended at the first that differs."""
    rows: tuple[Row, ...]
    first: str | None = None
    """The first stage that differs."""
    causes: tuple[Cause, ...] = ()
    nearness: Nearness | None = None
    notes: tuple[str, ...] = ()
    folder: str | None = None
    """Where the rebuilt project was kept."""

    @property
    def passed(self) -> bool:
        """Whether the version can be made again."""
        return self.verdict != "DIFFERENT"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain values."""
    plain = asdict(outcome)
    plain["rows"] = [{**asdict(row), "same": row.same} for row in outcome.rows]
    if outcome.nearness:
        plain["nearness"] = {
            "weight_difference": outcome.nearness.weight_difference,
            "agreement": outcome.nearness.agreement,
            "within": outcome.nearness.within,
            "tolerance": outcome.nearness.tolerance.model_dump(),
        }
    return plain


def lines(outcome: Outcome) -> list[str]:
    """The verdict, then why, in lines for a person."""
    told = [f"{outcome.name}: {outcome.verdict}{_headline(outcome)}"]
    told += [f"  {cause.kind}: {cause.reason}" for cause in outcome.causes[:TOLD]]
    told += [f"  and {len(outcome.causes) - TOLD} more"] if len(outcome.causes) > TOLD else []
    if near := outcome.nearness:
        told.append(
            f"  largest difference of a weight {near.weight_difference:.2g} (rebuild.weight_difference "
            f"{near.tolerance.weight_difference:g}), same answers {near.agreement:.2%} (rebuild.agreement "
            f"{near.tolerance.agreement:.0%})"
        )
    told += [f"  {note}" for note in outcome.notes]
    return told + ([f"  the rebuilt project: {outcome.folder}"] if outcome.folder else [])


def _headline(outcome: Outcome) -> str:
    if outcome.verdict == "IDENTICAL":
        return f", all {outcome.stages} stages left the recorded bytes"
    if outcome.verdict == "WITHIN TOLERANCE":
        return f", on other hardware; first to differ is {outcome.first}"
    return f", first at {outcome.first}"


def table(rows: Sequence[Row]) -> list[tuple[str, str, str, str, str]]:
    """Stage, md5 then, md5 now, equal or not, seconds: as cells."""
    return [
        (row.stage, _short(row.then), _short(row.now), "yes" if row.same else "NO", f"{row.seconds:.1f}")
        for row in rows
    ]


def _short(outputs: Any) -> str:
    return " ".join(md5[:SHOWN_MD5] for _, md5 in sorted(outputs.items())) or "none"
