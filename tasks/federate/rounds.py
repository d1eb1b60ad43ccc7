"""The server's side: ask, check, combine, move, write down; killed at any point, it goes on from the last round."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import PromiseError, TidemillError, listed
from tasks.federate import array_file, content, masking, server_step
from tasks.federate.aggregation import bounded, combined, flat, unflat
from tasks.federate.compression import decoded, encoded, received
from tasks.federate.messages import GONE, Answer, Arrays, Ask, Fleet, n_bytes
from tasks.federate.plan import Plan
from tasks.federate.server_step import Moments

CHECKPOINT, RESULT = "checkpoint.safetensors", "result.safetensors"
POLL_S = 0.5
AGAIN = 2
"""How often a silo that the masks need is asked again."""
RETURN_S = 45.0
"""How long a silo that was there in the round before is waited for: a SuperNode takes some ten seconds to start."""


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


def federated(federation: Federation, initial: Arrays, fleet: Fleet) -> State:
    """The state after all rounds and the silos' last look at the result (a round of its own in `rounds`).

    Raises PromiseError when a round gets fewer good answers than the plan's `min_silos`, with every silo's reason.
    """
    settings = federation.plan.federate
    size = flat(initial).size
    state = resumed(federation) or State(initial, server_step.start(size))
    if settings.secure_aggregation and not state.peers:
        state = replace(state, peers=_introduced(federation, state, fleet))
        save(federation, state)
    while len(state.rounds) < settings.rounds:
        state = one_round(federation, state, fleet)
        save(federation, state)
    if len(state.rounds) == settings.rounds:
        state = replace(state, rounds=(*state.rounds, _last_look(federation, state, fleet)))
        save(federation, state)
    return state


def one_round(federation: Federation, state: State, fleet: Fleet) -> State:
    """The state after one more round."""
    settings = federation.plan.federate
    number = len(state.rounds) + 1
    # What the silos start from is rounded, what is kept here is not: errors of the way down do not add up.
    down = encoded(state.shared, settings.downlink, 1.0)
    question = Ask("train", federation.run, number, federation.plan.model_dump_json(), down, state.peers)
    good, heard = _asked(federation, question, fleet, state)
    weights = np.array([float(answer.facts["records"]) for answer, _ in good])
    if settings.secure_aggregation:
        update = flat(masking.opened([masked for _, masked in good], float(weights.sum())))
    else:
        updates = bounded(np.stack([flat(update) for _, update in good]), settings.norm_bound)
        update = combined(updates, weights, settings.aggregation, settings.poisoned)
    shared, moments = server_step.moved(flat(state.shared), update.astype(np.float32), state.moments, settings)
    return replace(state, shared=unflat(shared, state.shared), moments=moments, rounds=(*state.rounds, heard))


def _introduced(federation: Federation, state: State, fleet: Fleet) -> dict[str, str]:
    """The public masking key of each silo. Raises PromiseError when there are too few to hide among."""
    question = Ask("introduce", federation.run, 0, federation.plan.model_dump_json(), {})
    good, _ = _asked(federation, question, fleet, state)
    if len(good) < masking.LEAST:
        names = ", ".join(answer.silo for answer, _ in good)
        raise PromiseError(f"federate.secure_aggregation needs {masking.LEAST} silos, and there are {names}")
    return {answer.silo: str(answer.facts["mask_key"]) for answer, _ in good}


def _last_look(federation: Federation, state: State, fleet: Fleet) -> Round:
    rounds = federation.plan.federate.rounds
    question = Ask("finish", federation.run, rounds, federation.plan.model_dump_json(), state.shared)
    good, heard = _asked(federation, question, fleet, state)
    unlike = content.compared({answer.silo: sums for answer, sums in good}, federation.plan.classes)
    silos = {silo: {**unlike.get(silo, {}), **facts} for silo, facts in heard.silos.items()}
    return replace(heard, silos=silos)


def _asked(
    federation: Federation, question: Ask, fleet: Fleet, state: State
) -> tuple[list[tuple[Answer, Arrays]], Round]:
    """The good answers in the order of the silos' names, with their updates, and the round as it is written down."""
    settings = federation.plan.federate
    begun = time.monotonic()
    there = _gathered(federation, state, fleet)
    answers = _answers(question, there, fleet, settings.round_seconds)
    refused = {silo: "is not connected" for silo in federation.invited if silo not in there}
    refused |= {silo: f"did not answer within {settings.round_seconds:g} s" for silo in there if silo not in answers}
    good: list[tuple[Answer, Arrays]] = []
    for silo in sorted(answers):
        try:
            good.append((answers[silo], checked(answers[silo], question, federation.plan)))
        except TidemillError as error:
            refused[silo] = str(error)
    if len(good) < (len(question.peers) or settings.min_silos):
        heading = f"{question.what} {question.round}: {len(good)} of {len(federation.invited)} silos gave a good answer"
        reasons = [f"{silo} {reason}" for silo, reason in sorted(refused.items())]
        least = "secure aggregation needs all" if question.peers else f"federate.min_silos is {settings.min_silos}"
        raise PromiseError(listed(reasons, f"{heading}, and {least}"))
    heard = Round(
        number=question.round,
        silos={answer.silo: answer.facts for answer, _ in good},
        refused=refused,
        bytes_down=n_bytes(question.arrays) * len(there),
        bytes_up=sum(n_bytes(answer.arrays) for answer in answers.values()),
        seconds=round(time.monotonic() - begun, 3),
    )
    return good, heard


def _answers(question: Ask, there: Sequence[str], fleet: Fleet, seconds: float) -> dict[str, Answer]:
    """What came in time, by silo. Behind masks all are needed: who is missing is asked for the same again."""
    answers = {answer.silo: answer for answer in fleet.ask(question, there, seconds)}
    for _ in range(AGAIN if question.peers else 0):
        missing = [silo for silo in question.peers if silo not in answers or answers[silo].error == GONE]
        if missing:
            answers |= {answer.silo: answer for answer in fleet.ask(question, missing, seconds)}
    return answers


def _gathered(federation: Federation, state: State, fleet: Fleet) -> list[str]:
    """The connected silos, once those of the round before are among them (all that were invited, before the first).

    One of them that is away is waited for RETURN_S, at first a round's time; then `min_silos` are enough, and after a
    round's time there are those that there are.
    """
    longest = federation.plan.federate.round_seconds
    expected = set(state.peers or (state.rounds[-1].silos if state.rounds else federation.invited))
    patience = min(RETURN_S, longest) if state.rounds and not state.peers else longest
    begun = time.monotonic()
    while True:
        there = [silo for silo in fleet.connected() if silo in federation.invited]
        waited = time.monotonic() - begun
        enough = waited > patience and len(there) >= federation.plan.federate.min_silos
        if expected <= set(there) or enough or waited > longest:
            return there
        time.sleep(POLL_S)


def checked(answer: Answer, question: Ask, plan: Plan) -> Arrays:
    """The answer's update (masked with secure aggregation). Raises TidemillError with what is wrong with it.

    Of other answers than `train` what they sent beside their facts, unchecked.
    """
    if answer.error:
        raise TidemillError(answer.error)
    records = answer.facts.get("records")
    if not isinstance(records, int | float) or not 0 < records < float("inf"):
        raise TidemillError(f"says that it has {records!r} records")
    if question.what != "train":
        return answer.arrays
    like = received(question.arrays, plan.federate.downlink)
    if plan.federate.secure_aggregation:
        masking.require_form(answer.arrays, like)
        return answer.arrays
    update = decoded(answer.arrays, like, plan.federate.compression)
    if not all(np.isfinite(values).all() for values in update.values()):
        raise TidemillError("sent values that are no finite numbers")
    return update


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
    return State(shared, Moments(arrays["moments.first"], arrays["moments.second"]), rounds, note["peers"])
