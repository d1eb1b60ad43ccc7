"""How near the endpoint's answers are to the evaluated ones, whatever an answer is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Closeness:
    """Whether the recipe's budget holds, and what was measured."""

    passed: bool
    largest_difference: float
    equal: float
    """Share of the probes that get the same answer, as far as a user cares."""
    words: str
