"""What a stage tells while it runs, as values, and who is told."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from flows.process_tree import Identity


@dataclass(frozen=True)
class Started:
    """The stage runs as this process (and the group that it leads)."""

    process: Identity


@dataclass(frozen=True)
class Line:
    """A line of its output."""

    text: str


@dataclass(frozen=True)
class Progress:
    """How far one of its loops is, in the loop's own unit."""

    what: str
    done: float
    total: float
    note: str


@dataclass(frozen=True)
class Ended:
    """It is over, in a state by Prefect's name. A cached stage ends without having started."""

    state: str
    seconds: float


Event = Started | Line | Progress | Ended
Display = Callable[[str, Event], None]
"""Told of each stage, by its name."""


def silent(stage: str, event: Event) -> None:
    """Nothing: a scheduled run has no terminal, its logs are in Prefect."""


shown: ContextVar[Display] = ContextVar("shown", default=silent)
"""Prefect stores a flow's parameters, so a terminal cannot be one of them."""
