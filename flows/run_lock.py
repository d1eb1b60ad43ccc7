"""One lifecycle at a time per recipe, and a note of who is at it that outlives a kill -9."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flows.process_tree import Identity
from tasks import file_lock, storage
from tasks.errors import BusyError, TidemillError


@dataclass(frozen=True)
class Holder:
    """Who runs a recipe's lifecycle."""

    pid: int
    flow_run_id: str
    since: str
    stage: str | None = None
    stage_process: Identity | None = None
    """The leader of the running stage's process group."""


def loop_of(recipe: str) -> str:
    """Under which name the recipe's loop is held, whose steps hold the recipe itself one after the other."""
    return f"{recipe}.loop"


@contextlib.contextmanager
def held(home: Path, recipe: str, flow_run_id: str, close: Callable[[Holder], None]) -> Iterator[None]:
    """Hold the recipe's lock; `close` is called first with the holder before us if it came to no good end.

    Raises BusyError that names the living holder.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock.held(_lock_file(home, recipe)))
        except BusyError as error:
            raise BusyError(busy_message(recipe, noted(home, recipe))) from error
        if dead := noted(home, recipe):
            close(dead)
        note(home, recipe, Holder(os.getpid(), flow_run_id, datetime.now(UTC).isoformat(timespec="seconds")))
        yield
        # Only after a good end: what failed may have failed because Prefect was gone, and then it never heard of it.
        forget(home, recipe)


@contextlib.contextmanager
def left(home: Path, recipe: str) -> Iterator[Holder | None]:
    """The holder that came to no good end, while nobody else can take the recipe. Raises BusyError if it lives."""
    with file_lock.held(_lock_file(home, recipe)):
        yield noted(home, recipe)


def forget(home: Path, recipe: str) -> None:
    """Remove the note."""
    _note_file(home, recipe).unlink(missing_ok=True)


def noted_recipes(home: Path) -> list[str]:
    """The recipes that somebody holds, or held and came to no good end."""
    return sorted(file.stem for file in (home / "runs").glob("*.json"))


@contextlib.contextmanager
def taken(home: Path, recipe: str) -> Iterator[None]:
    """Keep everybody from running the recipe while the block runs. Raises BusyError that names the living holder."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock.held(_lock_file(home, recipe)))
        except BusyError as error:
            raise BusyError(busy_message(recipe, noted(home, recipe))) from error
        yield


def require_free(home: Path, recipe: str) -> None:
    """Raises BusyError when somebody runs the recipe right now."""
    try:
        with file_lock.held(_lock_file(home, recipe)):
            return
    except BusyError as error:
        raise BusyError(busy_message(recipe, noted(home, recipe))) from error


def busy_message(recipe: str, holder: Holder | None) -> str:
    """Who holds the recipe, since when and at which stage, in one sentence."""
    who = f"process {holder.pid} since {holder.since}" if holder else "another process"
    where = f" (at {holder.stage})" if holder and holder.stage else ""
    return f"{recipe}: {who} is running this recipe{where}; wait for it, or end it, then run this again"


def note(home: Path, recipe: str, holder: Holder) -> None:
    """Write down who holds the recipe."""
    storage.write_json(_note_file(home, recipe), asdict(holder))


def note_stage(home: Path, recipe: str, stage: str, process: Identity) -> None:
    """Add to our note which stage runs as which process, so that whoever comes after a kill -9 can end it."""
    if holder := noted(home, recipe):
        note(home, recipe, replace(holder, stage=stage, stage_process=process))


def noted(home: Path, recipe: str) -> Holder | None:
    """The note as it stands, by a living or a dead holder; None when there is none that can be read."""
    if not _note_file(home, recipe).is_file():
        return None
    try:
        found = storage.read_json(_note_file(home, recipe))
        process = found.pop("stage_process")
        return Holder(**found, stage_process=Identity(**process) if process else None)
    except (TidemillError, KeyError, TypeError):
        return None


def _lock_file(home: Path, recipe: str) -> Path:
    return home / "runs" / f"{recipe}.lock"


def _note_file(home: Path, recipe: str) -> Path:
    return home / "runs" / f"{recipe}.json"
