"""A question to all silos, and what their answers are worth."""

import time
from collections.abc import Sequence

import numpy as np

from tasks.errors import PromiseError, TidemillError, listed
from tasks.federate import masking
from tasks.federate.compression import decoded, received
from tasks.federate.messages import GONE, Answer, Arrays, Ask, Fleet, n_bytes
from tasks.federate.plan import Plan
from tasks.federate.state import Federation, Round, State

POLL_S = 0.5
AGAIN = 2
"""How often a silo that the masks need is asked again."""
RETURN_S = 45.0
"""How long a silo that was there in the round before is waited for: a SuperNode takes some ten seconds to start."""


def asked(
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
    asked = [silo for silo in there if not question.peers or silo in question.peers]
    answers = {answer.silo: answer for answer in fleet.ask(question, asked, seconds)}
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
