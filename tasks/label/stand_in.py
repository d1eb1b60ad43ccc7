"""A stand-in for people: answers from labels that are known, wrong at a stated rate, over Label Studio as a browser would.

For tests, simulations and demonstrations. What it says is no label of a person: keep it out of real data.
"""

import time
from collections.abc import Callable, Mapping

import numpy as np

from tasks.label import page
from tasks.label.studio import people
from tasks.label.studio.connection import Studio
from tasks.recipe import Labels

Opinion = Callable[[Mapping[str, str]], str | None]
"""What a person thinks of a task's data; None: nothing, the task is skipped by leaving."""


def answering(truth: Mapping[str, str], scheme: Labels, error_rate: float, rng: np.random.Generator) -> Opinion:
    """The true answer by record_id, or with probability `error_rate` any other one, each as likely."""
    possible = page.answers(scheme)

    def opinion(data: Mapping[str, str]) -> str | None:
        right = truth.get(data["record_id"])
        if right is None or rng.random() >= error_rate:
            return right
        others = [answer for answer in possible if answer != right]
        return others[int(rng.integers(len(others)))]

    return opinion


def label(person: Studio, project: int, kind: str, scheme: Labels, opinion: Opinion, most: int = 10**9) -> int:
    """How many tasks the person answered: those that Label Studio gives them, until none is left or they have enough."""
    for done in range(most):
        started = time.monotonic()
        task = people.next_task(person, project)
        said = opinion(task["data"]) if task is not None else None
        if task is None or said is None:
            return done
        people.submit(person, project, int(task["id"]), page.answer(kind, scheme, said), started)
    return most
