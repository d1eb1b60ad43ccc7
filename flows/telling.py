"""Passes what a running stage tells on to Prefect, to the terminal and to the run's note."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from flows import artifacts, rounds_table, run_lock
from flows.dvc_hints import is_hint
from flows.events import Event, Line, Progress, Started, shown
from tasks.paths import Paths

if TYPE_CHECKING:
    from uuid import UUID

UPDATE_EVERY_S = 2.0


def teller(paths: Paths, stage: str) -> Callable[[Event], None]:
    """A function that passes one stage's events on. Call it inside the stage's task run."""
    logger, display = get_run_logger(), shown.get()
    bar = progress_bar(artifacts.key(paths.recipe, stage, "progress"))
    grow = rounds_table.growing(paths)

    def tell(event: Event) -> None:
        if isinstance(event, Line) and is_hint(event.text):
            return
        display(stage, event)
        if isinstance(event, Started):
            run_lock.note_stage(paths.home, paths.recipe, stage, event.process)
        elif isinstance(event, Line):
            logger.info("%s", event.text)
        elif isinstance(event, Progress):
            bar(event)
            if event.what == rounds_table.ROUNDS:
                grow()

    return tell


def progress_bar(key: str) -> Callable[[Progress], None]:
    """A function that keeps a progress artifact for each loop that takes more than two seconds."""
    bars: dict[str, UUID] = {}
    told_at = time.monotonic()

    def show(event: Progress) -> None:
        nonlocal told_at
        over = event.done >= event.total and event.what in bars
        if time.monotonic() - told_at < UPDATE_EVERY_S and not over:
            return
        told_at = time.monotonic()
        percent = min(100.0, 100.0 * event.done / event.total) if event.total else 0.0
        if event.what in bars:
            update_progress_artifact(bars[event.what], progress=percent)
        else:
            bars[event.what] = cast("UUID", create_progress_artifact(percent, key=key, description=event.what))

    return show
