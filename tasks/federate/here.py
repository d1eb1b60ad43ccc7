"""Silos in this very process: no server, no socket. For studies and tests; the rounds and the silos are the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.federate.messages import Answer, Ask
from tasks.federate.silo import answer


@dataclass(frozen=True)
class Here:
    """Silos by the folders of their homes."""

    homes: tuple[Path, ...]

    def connected(self) -> list[str]:
        """All of them."""
        return sorted(home.name for home in self.homes)

    def ask(self, question: Ask, silos: Sequence[str], seconds: float) -> list[Answer]:
        """Their answers, one after the other; nobody is late."""
        del seconds
        return [answer(home, question) for home in self.homes if home.name in silos]
