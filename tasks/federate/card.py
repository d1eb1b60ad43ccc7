"""A federation as a page of markdown: the rounds, the silos, what was sent, and how unlike the silos are."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.federate.rounds import Round
from tasks.markdown import table


def card(told: Mapping[str, Any], rounds: Sequence[Round]) -> str:
    """The page; `rounds` ends with the silos' last look at the result."""
    *trained, last = rounds
    parts = [
        _summary(told),
        "## Silos\n\n"
        + table(["silo", "records", "rounds", "validation", "test", "own head"], map(_silo, told["silos"].items())),
    ]
    if shift := _shift(told):
        parts.append("## How unlike they are\n\n" + shift)
    header = ["round", "silos", "accuracy before it", "kB up", "kB down", "seconds", "missing"]
    parts.append("## Rounds\n\n" + table(header, [_round(heard) for heard in [*trained, last]]))
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


def _shift(told: Mapping[str, Any]) -> str:
    """Shares of the labels in each silo, and their total variation distance from all silos together."""
    counts = {name: [silo.get(f"label.{c}") for c in told["classes"]] for name, silo in told["silos"].items()}
    if any(count is None for row in counts.values() for count in row):
        return ""  # under privacy no label counts leave a silo
    whole = [sum(column) for column in zip(*counts.values(), strict=True)]
    rows = [(name, *_shares(row), f"{distance(row, whole):.3f}") for name, row in sorted(counts.items())]
    header = ["silo", *told["classes"], "distance from all"]
    return table(header, [*rows, ("all", *_shares(whole), "")])


def _shares(counts: Sequence[int]) -> list[str]:
    return [f"{count / max(1, sum(counts)):.1%}" for count in counts]


def distance(first: Sequence[float], second: Sequence[float]) -> float:
    """Total variation distance of two counts: 0 for equal shares, 1 for none in common."""
    pairs = zip(first, second, strict=True)
    return sum(abs(a / max(1, sum(first)) - b / max(1, sum(second))) for a, b in pairs) / 2
