"""Where a federation stands, written down after each round: whoever comes next goes on from there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tasks.federate import array_file
from tasks.federate.messages import Arrays
from tasks.federate.plan import Plan
from tasks.federate.server_step import Moments

CHECKPOINT, RESULT = "checkpoint.safetensors", "result.safetensors"


@dataclass(frozen=True)
class Round:
    """What happened in one round: facts by silo, reasons by refused silo, bytes both ways, seconds."""

    number: int
    silos: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, str]
    bytes_down: int
    bytes_up: int
    seconds: float


@dataclass(frozen=True)
class State:
    """Where a federation stands after some rounds."""

    shared: Arrays = field(repr=False)
    moments: Moments = field(repr=False)
    rounds: tuple[Round, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)
    """With secure aggregation: the silos' public masking keys; all of them are needed in each round."""


@dataclass(frozen=True)
class Federation:
    """What is to be done: the plan, the run's name, the silos that were invited, and where state is kept."""

    plan: Plan
    run: str
    invited: tuple[str, ...]
    folder: Path


def save(federation: Federation, state: State) -> None:
    """Write the state down, so that whoever comes next goes on from here."""
    arrays = {f"shared.{name}": values for name, values in state.shared.items()}
    arrays |= {"moments.first": state.moments.first, "moments.second": state.moments.second}
    note = {"run": federation.run, "rounds": [asdict(heard) for heard in state.rounds], "peers": dict(state.peers)}
    array_file.save(federation.folder / CHECKPOINT, arrays, note)


def resumed(federation: Federation) -> State | None:
    """The state of this very run as it was last written down, or None."""
    found = array_file.load(federation.folder / CHECKPOINT)
    if found is None or found[1]["run"] != federation.run:
        return None
    arrays, note = found
    shared = {name.removeprefix("shared."): v for name, v in arrays.items() if name.startswith("shared.")}
    rounds = tuple(Round(**heard) for heard in note["rounds"])
    return State(shared, Moments(arrays["moments.first"], arrays["moments.second"]), rounds, note.get("peers", {}))


def told(heard: Round, rounds: int) -> str:
    """The round in one line for the log."""
    rows = sum(int(facts["validation_rows"]) for facts in heard.silos.values())
    right = sum(int(facts["validation_right"]) for facts in heard.silos.values())
    parts = [
        f"round {heard.number}/{rounds}: {len(heard.silos)} silos",
        f"accuracy before it {right / max(1, rows):.4f} on {rows:,} validation records",
        f"{heard.bytes_up / 1e3:,.1f} kB up, {heard.bytes_down / 1e3:,.1f} kB down, {heard.seconds:.1f} s",
    ]
    return "; ".join([*parts, *(f"{silo} {reason}" for silo, reason in sorted(heard.refused.items()))])
