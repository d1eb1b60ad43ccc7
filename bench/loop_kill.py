"""The loop killed with SIGKILL at random moments and taken up by the same command: one chain, nothing twice, same bits?

    python bench/loop_kill.py --points 20

plays a tide on a small real project once without a kill, then again and again with kills between the alarm and the
question and between the answers and the verdict, until there were so many. Prints a line a kill and what differs in the
end of each tide.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import small

import killing  # isort: skip  (files of tests/, which `small` puts on the path)
from tide_project import answered, foreign, known_world, traffic
from tiny_project import Project

from flows import run_lock
from tasks import ledger, shards, tides
from tasks.paths import Paths


@dataclass(eq=False)
class Kills:
    """Kills at random moments of as long as the loop takes without them (seconds, by phase)."""

    seconds: dict[str, float]
    luck: random.Random
    done: int = 0

    def disturb(self, project: Project, name: str, phase: str) -> None:
        """Start `tidemill loop` and kill it until it has ended by itself."""
        while True:
            delay, stage_too = self.luck.uniform(0, self.seconds[phase]), self.luck.random() < 1 / 2
            at = killed(project, name, delay, stage_too)
            if at is None:
                return
            self.done += 1
            print(f"{self.done:>3}  {phase}: killed {delay:.2f} s after the start, at {at}", flush=True)


@dataclass(frozen=True)
class Told:
    """What is left of a tide."""

    chain: list[tuple[str, str]]
    weights: str
    asked: list[str]
    landed: list[str]
    answers: list[tuple[str, str]]
    faults: list[str] = field(compare=False)


def killed(project: Project, name: str, delay_s: float, stage_too: bool) -> str | None:
    """Where the loop was killed, or None: it was done before."""
    child = project.start("loop", name)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(delay_s)
        if child.poll() is not None:
            return None
        holder = run_lock.noted(project.home, name) or run_lock.noted(project.home, f"{name}.loop")
        killing.strike(child, holder, stage_too=stage_too)
        return (holder and holder.stage) or "no stage"
    finally:
        child.kill()
        child.communicate()


def played(place: small.Place, name: str, kills: Kills | None) -> tuple[Told, dict[str, float]]:
    """What is left after the whole tide, and the seconds of the loop in each phase."""
    project = known_world(place.template, place.folder / name, place.running, name)
    traffic(project, name, foreign(900, 1), 1, 1)
    seconds, asked = {}, []
    for phase in ("ask", "learn"):
        if kills:
            kills.disturb(project, name, phase)
        started = time.perf_counter()
        project.tidemill("loop", name)
        seconds[phase] = time.perf_counter() - started
        if phase == "ask":
            asked = answered(project, name)
    told = left(project, name, asked)
    killing.end_all(project, name)
    return told, seconds


def left(project: Project, name: str, asked: list[str]) -> Told:
    """The chain of the ledger, the weights, the records that were asked about, the records and answers that landed."""
    paths = Paths(project.root, name)
    entries = ledger.entries(project.home, name)
    records = shards.landed(paths.raw, ["record_id", "source"])
    labels = shards.landed(paths.labels, ["record_id", "annotator", "label"])
    landed = records.loc[records["source"] == tides.TRAFFIC, "record_id"]
    mine = labels[labels["record_id"].isin(asked) & (labels["annotator"] == "ann")]
    causes = {ledger.seal(entry) for entry in entries}
    torn = [entry.kind for entry in entries if "cause" in entry.evidence and entry.evidence["cause"] not in causes]
    faults = [f"{kind} has no cause in the ledger" for kind in torn]
    faults += killing.registry_faults(project, name)
    faults += [f"left running: {pids}"] if (pids := killing.left_running(project)) else []
    chain: list[Any] = [(entry.kind, str(entry.evidence.get("promoted", ""))) for entry in entries]
    answers = sorted(zip(mine["record_id"], mine["label"], strict=True))
    return Told(chain, killing.weights(project, name), sorted(asked), sorted(landed), answers, faults)


def main() -> int:
    """The exit code: 0 when the disturbed tide left what the calm one left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    with small.opened("loop-kill") as place:
        calm, seconds = played(place, "calm", None)
        print(f"uninterrupted: {', '.join(f'{phase} {took:.1f} s' for phase, took in seconds.items())}", flush=True)
        print(f"its chain: {' > '.join(kind for kind, _ in calm.chain)}", flush=True)
        kills, good, number = Kills(seconds, random.Random(said.seed)), True, 0
        while kills.done < said.points:
            number += 1
            disturbed, _ = played(place, f"disturbed_{number}", kills)
            good &= not (faults := differences(calm, disturbed))
            print(f"     tide {number}: {'; '.join(faults) or 'as if never killed'}", flush=True)
    print(
        f"{kills.done} kills in {number} tides: {'the same chain, questions, answers and weights' if good else 'see above'}"
    )
    return 0 if good else 1


def differences(calm: Told, disturbed: Told) -> list[str]:
    """What the kills have changed."""
    names = ("chain", "weights", "asked", "landed", "answers")
    others = [f"other {name}" for name in names if getattr(calm, name) != getattr(disturbed, name)]
    return others + disturbed.faults


if __name__ == "__main__":
    sys.exit(main())
