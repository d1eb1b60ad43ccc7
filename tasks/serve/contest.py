"""A challenger tried on live traffic against the champion, judged by what users say was right.

Canary: the challenger answers its share of the requests, drawn by chance, and the k-th judged answer of one arm meets
the k-th of the other. Shadow: it answers a copy that nobody sees, and both are judged on the same content; there only
independent judgements count, because people correct what they see, and they see the champion alone.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tasks import ledger, storage
from tasks.recipe import Trial
from tasks.sequential import Decision, Evidence
from tasks.serve.recent import Answer


@dataclass(eq=False)
class Contest:
    """One champion, one challenger, and the evidence so far, which outlives the server."""

    recipe: str
    settings: Trial
    champion: int
    challenger: int
    home: Path
    promote: Callable[[int], None]
    evidence: Evidence = field(default_factory=Evidence)
    decision: Decision = "keep watching"
    _unmatched: dict[str, list[bool]] = field(default_factory=lambda: {"champion": [], "challenger": []})
    _judging: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Take up the evidence where an earlier server left it."""
        if self.file.is_file():
            kept = storage.read_json(self.file)
            found = kept["evidence"]
            better, worse = tuple(found["better"]), tuple(found["worse"])
            self.evidence, self._unmatched = Evidence(found["count"], found["total"], better, worse), kept["unmatched"]
            self._settle()

    @property
    def file(self) -> Path:
        """Where the evidence lies."""
        return self.home / "trial" / self.recipe / f"{self.champion}-{self.challenger}.json"

    def drawn(self) -> bool:
        """Whether the next request is one of the challenger's share; none is after a decision."""
        return self.decision == "keep watching" and random.random() < self.settings.share  # noqa: S311 (no secret)

    def judge(self, answer: Answer, truth: str, *, independent: bool) -> None:
        """Count what is known now of one answer, and act when it decides the contest."""
        with self._judging:
            if self.decision != "keep watching" or answer.version not in (self.champion, self.challenger):
                return
            if self.settings.mode == "shadow":
                if independent and answer.shadow is not None:
                    self._see(float(answer.shadow == truth) - float(answer.predicted == truth))
            else:
                self._unmatched[answer.arm].append(answer.predicted == truth)
                while all(self._unmatched.values()):
                    new, old = self._unmatched["challenger"].pop(0), self._unmatched["champion"].pop(0)
                    self._see(float(new) - float(old))
            storage.write_json(self.file, {"evidence": asdict(self.evidence), "unmatched": self._unmatched})
            self._settle()

    def told(self) -> dict[str, Any]:
        """The contest as JSON values."""
        return {
            "mode": self.settings.mode,
            "champion": self.champion,
            "challenger": self.challenger,
            "decision": self.decision,
            "pairs": self.evidence.count,
            "advantage": self.evidence.advantage,
            "alpha": self.settings.alpha,
            "margin": self.settings.margin,
        }

    def _see(self, difference: float) -> None:
        if self.decision == "keep watching":
            self.evidence = self.evidence.seen(difference, self.settings.margin)
            self.decision = self.evidence.decision(self.settings.alpha)

    def _settle(self) -> None:
        """Write a decision into the ledger and carry it out, once, however often a server dies in between."""
        self.decision = self.evidence.decision(self.settings.alpha)
        if self.decision == "keep watching":
            return
        history = ledger.entries(self.home, self.recipe)
        evidence = self.told()
        if not any(e.kind == "canary" and dict(e.evidence) == evidence for e in history):
            ledger.append(self.home, self.recipe, "canary", self.challenger, evidence)
        promotion = {"by": "trial", **evidence}
        if self.decision == "promote" and not any(dict(e.evidence) == promotion for e in history):
            self.promote(self.challenger)
            ledger.append(self.home, self.recipe, "promotion", self.challenger, promotion)
