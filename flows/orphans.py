"""Stages that a killed run has left running."""

import contextlib
from pathlib import Path

from flows import run_lock
from flows.process_tree import await_reaped, end_group
from flows.run_lock import Holder
from tasks.errors import BusyError

GRACE_S = 5.0


def end_all(home: Path) -> None:
    """End the stages of every run of this project whose process is gone. Its note stays, for Prefect to be told."""
    for recipe in run_lock.noted_recipes(home):
        with contextlib.suppress(BusyError), run_lock.left(home, recipe) as dead:
            if dead:
                end_stage(dead)


def end_stage(dead: Holder) -> None:
    """End the whole process group of the stage at which the holder died."""
    if dead.stage_process:
        end_group(dead.stage_process, GRACE_S)
        # DVC takes a zombie for a living holder of its locks; the system clears orphans away within seconds.
        await_reaped(dead.stage_process, GRACE_S)
