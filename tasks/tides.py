"""What the ledger says about the loop: a tide is one drift alarm with all that follows from it.

    drift > question > answers > verdict > promotion
                ^                   |
                +--- not promoted --+--> stop

Each entry names the one that it follows from (`cause`), so the ledger alone tells where a loop goes on after a kill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from tasks import ledger
from tasks.ledger import Entry

TRAFFIC = "traffic"
"""The source of records that came by the endpoint."""

MONTH = timedelta(days=30)
CHAIN: tuple[ledger.Kind, ...] = ("question", "answers", "verdict", "promotion", "stop")
CLOSING: tuple[ledger.Kind, ...] = ("promotion", "stop")

Next = Literal["watch", "ask", "wait", "retrain"]


@dataclass(frozen=True)
class Standing:
    """What the loop does next: watch the traffic, ask people, wait for their answers, or retrain."""

    next: Next
    tide: int
    round: int
    """Of questions within the tide, from 1; that of the last question unless people are asked next."""
    drift: Entry | None = None
    """The alarm that began the tide; None while there is none."""
    last: Entry | None = None
    """The entry that waits for its consequence."""

    @property
    def cause(self) -> str | None:
        """What the next entry follows from."""
        return ledger.seal(self.last) if self.last else None


def domain(tide: int) -> str:
    """The slice of the records that a tide brought."""
    return f"tide {tide}"


def number(name: str) -> int:
    """The tide of a slice by its name; 0 for any other slice."""
    word, _, rest = name.partition(" ")
    return int(rest) if word == "tide" and rest.isdigit() else 0


def standing(history: Sequence[Entry]) -> Standing:
    """Where the recipe's loop stands. Alarms during an open tide, and alarms about another version, begin nothing."""
    chain = [entry for entry in history if entry.kind in CHAIN and "tide" in entry.evidence]
    if not chain or chain[-1].kind in CLOSING:
        return _begun(history, chain)
    last = chain[-1]
    tide = int(last.evidence["tide"])
    asked = [entry for entry in chain if entry.evidence["tide"] == tide and entry.kind == "question"]
    drift = next(entry for entry in history if ledger.seal(entry) == asked[0].evidence["cause"])
    if last.kind == "question":
        return Standing("wait", tide, len(asked), drift, last)
    if last.kind == "verdict" and not last.evidence["promoted"]:
        return Standing("ask", tide, len(asked) + 1, drift, last)
    return Standing("retrain", tide, len(asked), drift, last)


def _begun(history: Sequence[Entry], chain: Sequence[Entry]) -> Standing:
    """A new tide if there was an alarm about the champion since the last one was over."""
    after = list(history)[list(history).index(chain[-1]) + 1 :] if chain else history
    tide = int(chain[-1].evidence["tide"]) if chain else 0
    alarms = [entry for entry in after if entry.kind == "drift" and entry.version == champion(history)]
    if not alarms:
        return Standing("watch", tide, 0)
    return Standing("ask", tide + 1, 1, alarms[-1], alarms[-1])


def champion(history: Sequence[Entry]) -> int | None:
    """The version that serves by the ledger."""
    entry = ledger.serving(history)
    return entry.version if entry else None


def questions(history: Sequence[Entry], tide: int | None = None) -> list[Entry]:
    """All questions that people were asked, or those of one tide."""
    return [e for e in history if e.kind == "question" and tide in (None, e.evidence["tide"])]


def spent(history: Sequence[Entry], now: datetime) -> int:
    """The answers that people were asked for in the last 30 days."""
    since = now - MONTH
    return sum(int(e.evidence["answers"]) for e in questions(history) if datetime.fromisoformat(e.at) > since)


def rounds_without_gain(history: Sequence[Entry], tide: int) -> int:
    """The tide's verdicts, none of which can have promoted while it is open."""
    return sum(entry.kind == "verdict" and entry.evidence.get("tide") == tide for entry in history)


def claim(history: Sequence[Entry], version: int | None) -> Mapping[str, Any] | None:
    """The hypothesis of the open tide whose answers are in: stated before any label was seen, against this champion."""
    now = standing(history)
    if now.next != "retrain":
        return None
    asked: Mapping[str, Any] = questions(history, now.tide)[-1].evidence["hypothesis"]
    return asked if asked["against"] == version else None


def link(history: Sequence[Entry]) -> dict[str, Any]:
    """What ties a verdict or a promotion to the open tide whose answers are in; nothing when there is none."""
    now = standing(history)
    return {"tide": now.tide, "round": now.round, "cause": now.cause} if now.next == "retrain" else {}


def note(home: Path, recipe: str, kind: ledger.Kind, now: Standing, evidence: Mapping[str, Any]) -> Entry:
    """The tide's next entry, tied to the one that it follows from."""
    version = now.drift.version if now.drift else None
    return ledger.append(
        home, recipe, kind, version, {"tide": now.tide, "round": now.round, "cause": now.cause, **evidence}
    )


def stop(home: Path, recipe: str, now: Standing, reason: str) -> None:
    """End the tide without a promotion, and say why."""
    note(home, recipe, "stop", now, {"reason": reason})
    print(f"the loop stops: {reason}", flush=True)
