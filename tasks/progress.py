"""Progress of long work: a bar for a person, lines for a flow."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Protocol

MARK = "::progress "
"""A line of a stage's output that starts so is JSON: what, done, total, note."""


class Report(Protocol):
    """To be called with how much is done by now."""

    def __call__(self, done: float, note: str = "") -> None:
        """Tell it, with a short note such as the present loss."""


@contextlib.contextmanager
def progress(what: str, total: float) -> Iterator[Report]:
    """A function to call with how much is done. Lines under a flow, a bar on a terminal, else nothing."""
    if os.environ.get("TIDEMILL_PROGRESS") == "lines":
        yield _line_reporter(what, total)
    elif sys.stderr.isatty():
        with _bar(what, total) as report:
            yield report
    else:
        yield _silent


def _silent(done: float, note: str = "") -> None:
    """Say nothing: nobody watches."""


def _line_reporter(what: str, total: float, every_s: float = 1.0) -> Report:
    last = 0.0

    def report(done: float, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every_s or done >= total:
            last = now
            event = {"what": what, "done": done, "total": total, "note": note}
            print(MARK + json.dumps(event), flush=True)

    return report


@contextlib.contextmanager
def _bar(what: str, total: float) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, note="")
        yield lambda done, note="": bar.update(task, completed=done, note=note)


def parsed(line: str) -> dict[str, object] | None:
    """The progress event in a line of output, or None."""
    if not line.startswith(MARK):
        return None
    event: dict[str, object] = json.loads(line.removeprefix(MARK))
    return event
