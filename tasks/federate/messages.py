"""What server and silos say to each other, as values that know no transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

PROTOCOL = 2
"""Raised when an old silo would misunderstand a question."""

Arrays = dict[str, NDArray[Any]]
Facts = dict[str, float | int | str]


@dataclass(frozen=True)
class Ask:
    """A question to a silo: say who you are, train on these arrays, or take them as the result and tell how good they are."""

    what: Literal["introduce", "train", "finish"]
    run: str
    """The federation's name: what a silo keeps between rounds belongs to it."""
    round: int
    """From 1; `introduce` has 0, `finish` the number of rounds."""
    plan: str
    """JSON of `Plan`: the same in every round."""
    arrays: Arrays = field(repr=False)
    peers: Mapping[str, str] = field(default_factory=dict)
    """With secure aggregation: the public masking key of each silo that the answer is hidden among."""
    protocol: int = PROTOCOL


GONE = "went away"
"""The error of a silo that was not there any more."""


@dataclass(frozen=True)
class Answer:
    """A silo's answer: an encoded update with facts about it, or the reason why there is none."""

    silo: str
    arrays: Arrays = field(default_factory=dict, repr=False)
    facts: Facts = field(default_factory=dict)
    error: str = ""


class Fleet(Protocol):
    """The silos, wherever they are."""

    def connected(self) -> list[str]:
        """The names of the silos that can be asked now, sorted."""
        ...

    def ask(self, question: Ask, silos: Sequence[str], seconds: float) -> list[Answer]:
        """What came within `seconds`, in any order; a silo that said nothing is missing."""
        ...


def n_bytes(arrays: Mapping[str, NDArray[Any]]) -> int:
    """Bytes of the arrays' values: what is sent but for a few hundred bytes of envelope."""
    return sum(array.nbytes for array in arrays.values())
