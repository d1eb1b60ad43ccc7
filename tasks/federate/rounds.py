"""The server's side: ask, check, combine, move, write down; killed at any point, it goes on from the last round."""

from dataclasses import replace

import numpy as np

from tasks.errors import PromiseError
from tasks.federate import content, masking, server_step
from tasks.federate.aggregation import bounded, combined, flat, unflat
from tasks.federate.asking import asked
from tasks.federate.compression import encoded
from tasks.federate.messages import Arrays, Ask, Fleet
from tasks.federate.state import Federation, Round, State, resumed, save


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
    good, heard = asked(federation, question, fleet, state)
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
    good, _ = asked(federation, question, fleet, state)
    if len(good) < masking.LEAST:
        names = ", ".join(answer.silo for answer, _ in good)
        raise PromiseError(f"federate.secure_aggregation needs {masking.LEAST} silos, and there are {names}")
    return {answer.silo: str(answer.facts.get("mask_key")) for answer, _ in good}


def _last_look(federation: Federation, state: State, fleet: Fleet) -> Round:
    rounds = federation.plan.federate.rounds
    question = Ask("finish", federation.run, rounds, federation.plan.model_dump_json(), state.shared)
    good, heard = asked(federation, question, fleet, state)
    unlike = content.compared({answer.silo: sums for answer, sums in good}, federation.plan.classes)
    silos = {silo: {**unlike.get(silo, {}), **facts} for silo, facts in heard.silos.items()}
    return replace(heard, silos=silos)
