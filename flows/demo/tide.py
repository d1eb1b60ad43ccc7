"""The whole loop on real data: product reviews are known, then film reviews and editorials begin to arrive."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from flows.demo import annotators, comparison, endpoint, project, report
from flows.demo.endpoint import Endpoint
from flows.demo.project import NAME, Project
from flows.demo.report import Figures
from flows.demo.world import QUIET_DAYS, World, named, world
from tasks import ledger, storage, tides
from tasks.errors import TidemillError
from tasks.recipe import load

MOST_ROUNDS = 3
Say = Callable[[str], None]


@dataclass
class Story:
    """What happened so far, for the terminal and for the report."""

    say: Say
    started: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """A line with the seconds since the beginning."""
        self.lines.append(f"{time.monotonic() - self.started:5.0f} s  {text}")
        self.say(self.lines[-1])


def tide(source: Path, root: Path, say: Say, seed: int, *, studio: bool) -> Figures:
    """Play it in the new folder `root`, and leave report.md and report.html there.

    `source` is the project we are in; `seed` deals the texts.

    Raises TidemillError when a step fails, or no version was promoted.
    """
    story = Story(say)
    story.tell("real texts: product reviews are the known world, film reviews and editorials the tide")
    found = world(source, seed)
    place = project.made(source, root, found, studio=studio)
    try:
        return _played(place, found, story, studio=studio)
    finally:
        place.run("down")


def _played(place: Project, found: World, story: Story, *, studio: bool) -> Figures:
    story.tell(f"training on {len(found.taught):,} product reviews alone, in {place.root}")
    place.run("run", NAME)
    before = place.home / "demo" / "before"
    shutil.copytree(place.data / "compress", before)
    with endpoint.serving(place) as served:
        story.tell("tide@1 is the champion and answers; each window below stands for a day")
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=len(found.days))
        for number, day in enumerate(found.days[: QUIET_DAYS + 1]):
            _window(place, served, story, day, today + timedelta(days=number))
        quiet = _counted(place, "question")
        _close_the_loop(place, found, story, studio=studio)
        version = tides.champion(ledger.entries(place.home, NAME))
        took = served.wait_for(version)
        story.tell(f"the endpoint answers with tide@{version}, {took:.1f} s later")
        for number, day in enumerate(found.days[QUIET_DAYS + 1 :], start=QUIET_DAYS + 1):
            _window(place, served, story, day, today + timedelta(days=number))
    figures = _figures(place, found, story, before, quiet)
    report.write(place.root, figures, story.lines)
    story.tell(f"report   {place.root / 'report.html'}")
    return figures


def _window(place: Project, served: Endpoint, story: Story, day: pd.DataFrame, begins: datetime) -> None:
    """One day's traffic, and what the watch says about it."""
    version = endpoint.a_day(place, served, day, begins)
    said = json.loads(place.run("watch", NAME, "--json"))
    if said is None:
        raise TidemillError(f"{NAME}: the watch gave no verdict on {len(day)} answers; see {place.root / project.LOG}")
    moved = [each["name"] for each in said["findings"] if each["alarm"]]
    told = f"DRIFT in {', '.join(moved)}" if said["alarm"] else "quiet"
    story.tell(f"{begins:%d %b}: {len(day):,} texts ({named(day)}) to tide@{version}: {told}")
    story.windows.append(
        {"day": f"{begins:%Y-%m-%d}", "rows": len(day), "version": version, "what": named(day), "alarm": said["alarm"]}
    )


def _close_the_loop(place: Project, found: World, story: Story, *, studio: bool) -> None:
    """Rounds of questions and answers until a version is promoted. Raises TidemillError when the loop stops."""
    known = _counted(place)
    for _ in range(MOST_ROUNDS):
        place.run("loop", NAME)
        known = _tell_new(place, story, known)
        if _counted(place, "promotion") > 1:
            return
        if ledger.entries(place.home, NAME)[-1].kind == "stop":
            break
        annotators.answer(place, found.truth, studio=studio)
        story.tell(
            f"stand-ins answered {'in Label Studio' if studio else 'in the file'}, {annotators.ERROR_RATE:.0%} wrong"
        )
    raise TidemillError(f"{NAME}: no version was promoted; see {place.root / project.LOG} and `tidemill ledger {NAME}`")


def _tell_new(place: Project, story: Story, known: int) -> int:
    """Tell the ledger's new entries; how many there are now."""
    entries = ledger.entries(place.home, NAME)
    for entry in entries[known:]:
        story.tell(f"{entry.kind}: {entry.evidence.get('reason', '')}")
    return len(entries)


def _counted(place: Project, kind: str | None = None) -> int:
    return sum(kind in (None, entry.kind) for entry in ledger.entries(place.home, NAME))


def _figures(place: Project, found: World, story: Story, before: Path, quiet: int) -> Figures:
    threads = load(place.root / "recipes" / f"{NAME}.yaml").threads
    after = place.data / "compress"
    teach, pool = comparison.teaching(place, found)
    story.tell(
        f"for comparison: the same training with {teach} of the tide drawn at random, and with all {len(pool):,}"
    )
    rivals = {
        "random": comparison.trained(place, f"{NAME}_random", comparison.at_random(place, pool, teach, found.seed)),
        "all": comparison.trained(place, f"{NAME}_all", pool),
    }
    home = pd.concat([day[day["domain"] == "products"] for day in found.days], ignore_index=True)
    score = {name: comparison.accuracy(folder, found.unseen, threads) for name, folder in rivals.items()}
    history = ledger.entries(place.home, NAME)
    questions = [entry for entry in history if entry.kind == "question"]
    chain = [{"at": e.at, "kind": e.kind, "reason": str(e.evidence.get("reason", ""))} for e in history]
    figures = Figures(
        before=comparison.accuracy(before, found.unseen, threads),
        after=comparison.accuracy(after, found.unseen, threads),
        at_random=score["random"],
        everything=score["all"],
        products_before=comparison.accuracy(before, home, threads),
        products_after=comparison.accuracy(after, home, threads),
        labels=sum(int(entry.evidence["answers"]) for entry in questions),
        asked=sum(int(entry.evidence["records"]) for entry in questions),
        teach=teach,
        all_labels=len(pool),
        unseen=len(found.unseen),
        version=tides.champion(history),
        chain=chain,
        windows=story.windows,
        seconds=round(time.monotonic() - story.started, 1),
        asked_when_quiet=quiet,
    )
    storage.write_json(place.root / "figures.json", asdict(figures))
    story.tell(
        f"accuracy on {figures.unseen:,} film reviews and editorials that never arrived: {figures.before:.1%} before, "
        f"{figures.after:.1%} after, {figures.at_random:.1%} had the same number been drawn at random, "
        f"{figures.everything:.1%} with all {figures.all_labels:,} labelled; on products {figures.products_before:.1%} "
        f"before, {figures.products_after:.1%} after"
    )
    return figures
