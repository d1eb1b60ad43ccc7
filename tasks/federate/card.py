"""A federation as a page of markdown: the rounds, the silos, what was sent, and how unlike the silos are."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.federate.content import BOUNDS, EMBEDDING, distance
from tasks.federate.state import Round
from tasks.markdown import table

HEADER = ("round", "silos", "accuracy before it", "kB up", "kB down", "seconds", "missing")
MEANING = (
    "Distance from all silos together: of histograms the total variation (0: the same, 1: nothing in common), of the "
    "embeddings that of their means (0 to 2)."
)


def card(told: Mapping[str, Any], rounds: Sequence[Round]) -> str:
    """The page; `rounds` ends with the silos' last look at the result."""
    *trained, last = rounds
    parts = [
        _summary(told),
        "## Silos\n\n"
        + table(["silo", "records", "rounds", "validation", "test", "own head"], map(_silo, told["silos"].items())),
    ]
    if shift := _shift(told):
        parts.append("## How unlike their labels are\n\n" + shift)
    if texts := _content(told):
        parts.append(f"## How unlike their texts are\n\n{texts}\n{MEANING}")
    parts.append("## Rounds\n\n" + table(HEADER, [_round(heard) for heard in [*trained, last]]))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _summary(told: Mapping[str, Any]) -> str:
    sent = f"{told['bytes_up'] / 1e6:.2f} MB came from the silos, {told['bytes_down'] / 1e6:.2f} MB went to them"
    text = f"{told['strategy']} of {told['partial']}: {len(told['silos'])} silos, {told['rounds']} rounds; {sent}."
    if told["epsilon"] is not None:
        text += f" Each record is protected by epsilon {told['epsilon']:.2f} at delta {told['delta']:g} (record level)."
    return text


def _silo(item: tuple[str, Mapping[str, Any]]) -> tuple[object, ...]:
    name, silo = item
    own = _share(silo["personal_test_right"], silo["test_rows"]) if "personal_test_right" in silo else ""
    return (
        name,
        f"{silo['records']:,}",
        silo["rounds"],
        _share(silo["validation_right"], silo["validation_rows"]),
        _share(silo.get("test_right", 0), silo.get("test_rows", 0)),
        own,
    )


def _share(right: float, rows: float) -> str:
    return f"{right / rows:.4f} of {rows:,}" if rows else ""


def _round(heard: Round) -> tuple[object, ...]:
    rows = sum(int(facts["validation_rows"]) for facts in heard.silos.values())
    right = sum(int(facts["validation_right"]) for facts in heard.silos.values())
    missing = "; ".join(f"{silo} {reason}" for silo, reason in sorted(heard.refused.items()))
    accuracy = f"{right / max(1, rows):.4f}"
    sent = (f"{heard.bytes_up / 1e3:,.1f}", f"{heard.bytes_down / 1e3:,.1f}", f"{heard.seconds:.1f}")
    return (heard.number, len(heard.silos), accuracy, *sent, missing)


def round_rows(rounds: Sequence[Round]) -> list[dict[str, object]]:
    """A row for each round: the card's columns, and of each silo its accuracy before the round and its seconds."""
    silos = sorted({silo for heard in rounds for silo in heard.silos})
    return [
        dict(zip(HEADER, _round(heard), strict=True)) | {silo: _told_by(heard.silos.get(silo)) for silo in silos}
        for heard in rounds
    ]


def _told_by(facts: Mapping[str, Any] | None) -> str:
    if facts is None:
        return ""
    return f"{_share(facts['validation_right'], facts['validation_rows'])}, {facts['seconds']:.1f} s"


def _shift(told: Mapping[str, Any]) -> str:
    """Shares of the labels in each silo, and their total variation distance from all silos together."""
    counts = {name: [silo.get(f"label.{c}") for c in told["classes"]] for name, silo in told["silos"].items()}
    if any(count is None for row in counts.values() for count in row):
        return ""  # under privacy no label counts leave a silo
    whole = [sum(column) for column in zip(*counts.values(), strict=True)]
    rows = [(name, *_shares(row), f"{distance(row, whole):.3f}") for name, row in sorted(counts.items())]
    header = ["silo", *told["classes"], "distance from all"]
    return table(header, [*rows, ("all", *_shares(whole), "")])


def _content(told: Mapping[str, Any]) -> str:
    """How far the texts of each silo are from those of all together."""
    names = [f"shift.{name}" for name in (*BOUNDS, EMBEDDING)]
    known = {silo: facts for silo, facts in told["silos"].items() if names[0] in facts}
    rows = [(silo, *(f"{facts[n]:.3f}" if n in facts else "" for n in names)) for silo, facts in sorted(known.items())]
    return table(["silo", "words a text", "letters a word", "signs", "mean embedding"], rows) if rows else ""


def _shares(counts: Sequence[int]) -> list[str]:
    return [f"{count / max(1, sum(counts)):.1%}" for count in counts]
