"""`tidemill rebuild`: a version made again in a folder of its own, stage by stage, until one differs."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flows import orphans, run_lock, stage_process
from flows.dvc_hints import is_hint
from flows.events import Display, Ended, Event, Line, Started
from tasks import dvc_repo, storage
from tasks.errors import TidemillError
from tasks.rebuild import case as cases
from tasks.rebuild.case import Case
from tasks.rebuild.differences import Cause, Row, may_round_otherwise
from tasks.rebuild.outcome import Outcome
from tasks.rebuild.released import parsed
from tasks.rebuild.snapshot import remote

NOTE = ".rebuild.json"
"""Says that a folder is ours, and whether its rebuild came to an end."""

UNSET = ("MLFLOW_TRACKING_URI", "PREFECT_API_URL")
"""A training that is done again is no run to be compared in MLflow."""


@dataclass(frozen=True)
class Place:
    """Where a version is made again: the folder, and whether the user asked for it."""

    home: Path
    folder: Path
    name: str
    asked_for: bool


def state(home: Path) -> Path:
    """Where locks, notes and temporary projects of rebuilds lie."""
    return home / "rebuild"


def rebuild(address: str, project: Path | None, place: Place, remote_url: str | None, display: Display) -> Outcome:
    """How the version compares, after every stage up to the first that differs was run without any cache.

    Raises TidemillError when it cannot be made again at all, BusyError when somebody else is at it.
    """
    recipe, number = parsed(address)
    with run_lock.held(state(place.home), place.name, "", orphans.end_stage), _folder(place):
        with _shown(display, "fetch"):
            opened = cases.opened(recipe, number, place.folder)
            outcome = _damage(opened, project, remote_url)
        outcome = outcome or _made(opened, place, display)
        return _kept(place, outcome)


def place(address: str, home: Path, into: Path | None) -> Place:
    """The folder that the user named, or one below the state of all rebuilds."""
    parsed(address)
    return Place(home, (into or state(home) / address).resolve(), address, into is not None)


@contextmanager
def _folder(place: Place) -> Iterator[None]:
    """The empty folder; a temporary one goes when the rebuild cannot be done."""
    _require_ours(place)
    shutil.rmtree(place.folder, ignore_errors=True)
    storage.write_json(place.folder / NOTE, {"version": place.name, "ended": False})
    try:
        yield
    except BaseException:
        if not place.asked_for:
            shutil.rmtree(place.folder, ignore_errors=True)
        raise


def _require_ours(place: Place) -> None:
    """Raises TidemillError unless the folder is free, or holds what a killed rebuild of this version has left."""
    if not place.asked_for or not place.folder.exists():
        return
    if place.folder.is_dir() and not any(place.folder.iterdir()):
        return
    note = place.folder / NOTE
    if not note.is_file() or storage.read_json(note) != {"version": place.name, "ended": False}:
        raise TidemillError(f"{place.folder}: is not empty; name a folder that is not there yet, or remove this one")


def _damage(case: Case, project: Path | None, remote_url: str | None) -> Outcome | None:
    """The outcome when code or data are not what was released; None: every byte is there."""
    if case.fault:
        return cases.changed_source(case)
    snapshot = case.snapshot
    settings = remote(snapshot, project, case.released.lineage.get("remotes", {}), remote_url)
    dvc_repo.isolate(snapshot.root, snapshot.remote, settings)
    faults = dvc_repo.fetch(snapshot.root, snapshot.recipe, snapshot.remote, settings)
    return cases.damaged_data(case, faults) if faults else None


def _made(case: Case, place: Place, display: Display) -> Outcome:
    """The outcome after every stage up to the first that differs (behind one that rounds otherwise, all of them)."""
    recorded = case.released.lineage["stages"]
    rows: list[Row] = []
    first: Row | None = None
    causes: tuple[Cause, ...] = ()
    deadline = time.monotonic() + case.snapshot.budget.minutes * 60
    for address in dvc_repo.order(case.snapshot.root, case.snapshot.recipe):
        stage = address.partition("@")[0]
        started_at = time.monotonic()
        _run(case, place, address, deadline, display)
        seconds = time.monotonic() - started_at
        if stage not in recorded:
            display(stage, Ended("Completed", seconds))
            continue
        rows.append(row := cases.compared(case, stage, seconds))
        display(stage, Ended("Identical" if row.same else "Different", seconds))
        if first is None and not row.same:
            first, causes = row, cases.explained(case, row)
            if not may_round_otherwise(row, causes):
                break
    return cases.judged(case, rows, first, causes)


def _run(case: Case, place: Place, address: str, deadline: float, display: Display) -> None:
    """Run the stage by the released code, in its own project, whatever DVC remembers."""
    budget, stage = case.snapshot.budget, address.partition("@")[0]
    command = tuple(dvc_repo.repro_command(address, force=True))
    job = stage_process.Job(
        address,
        command,
        case.snapshot.root,
        budget.memory_gb,
        deadline,
        budget.minutes,
        environment(case.snapshot.root, os.environ),
    )
    stage_process.run(job, _teller(place, stage, display))


def environment(root: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """What the stages of the project at `root` get: its own code first, its own state, no server."""
    path = os.pathsep.join(filter(None, [str(root), outside.get("PYTHONPATH", "")]))
    kept = {name: value for name, value in outside.items() if name not in UNSET}
    return {**kept, "PYTHONPATH": path, "TIDEMILL_HOME": str(root / ".tidemill")}


def _teller(place: Place, stage: str, display: Display) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        if isinstance(event, Started):
            run_lock.note_stage(state(place.home), place.name, stage, event.process)
        if not (isinstance(event, Line) and is_hint(event.text)):
            display(stage, event)

    return tell


@contextmanager
def _shown(display: Display, what: str) -> Iterator[None]:
    started_at, ended = time.monotonic(), "Failed"
    try:
        yield
        ended = "Completed"
    finally:
        display(what, Ended(ended, time.monotonic() - started_at))


def _kept(place: Place, outcome: Outcome) -> Outcome:
    """The outcome with the folder's path; a temporary folder goes when nothing in it is worth a look."""
    if outcome.verdict == "IDENTICAL" and not place.asked_for:
        shutil.rmtree(place.folder, ignore_errors=True)
        return outcome
    storage.write_json(place.folder / NOTE, {"version": place.name, "ended": True})
    return replace(outcome, folder=str(place.folder))
