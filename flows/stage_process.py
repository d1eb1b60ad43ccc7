"""One stage as a child process: streamed, watched, and never left behind."""

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from flows import settings
from flows.events import Event, Line, Progress, Started
from flows.failure import reason
from flows.process_tree import Identity, end_group, identity, memory_gib
from tasks import progress
from tasks.errors import PromiseError, TidemillError

LOOK_EVERY_S = 1.0
GRACE_S = 8.0
"""DVC and a training write their last files on SIGTERM."""


@dataclass(frozen=True)
class Job:
    """One command of a recipe, and what it may use."""

    name: str
    command: tuple[str, ...]
    root: Path
    memory_gb: float
    """Resident memory in GiB (1024**3 bytes) of the command and all below it."""
    deadline: float
    """`time.monotonic()` by which it has to be done."""
    minutes: float
    """The budget that the deadline comes from, for the message."""
    environment: Mapping[str, str] | None = None
    """What it gets instead of our own environment."""


@dataclass(frozen=True)
class Finished:
    """What a stage's process left: its lines (progress lines apart), and what it took."""

    lines: tuple[str, ...]
    exit_code: int
    seconds: float
    peak_memory_gb: float


def run(job: Job, tell: Callable[[Event], None]) -> Finished:
    """What the command left, once it is done.

    Raises TidemillError with the command's own error when it fails, and PromiseError when it goes over its budget.
    Whatever happens, none of its processes is left.
    """
    started_at = time.monotonic()
    process = _start(job)
    leader = identity(process.pid) or Identity(process.pid, time.time())
    lines: list[str] = []
    peak_gb = 0.0
    try:
        tell(Started(leader))
        for text in _lines(process):
            if text is None:
                peak_gb = max(peak_gb, _within_budget(job, leader))
            elif told := progress.parsed(text):
                tell(_progress(told))
            else:
                lines.append(text)
                tell(Line(text))
        exit_code = process.wait()
    finally:
        end_group(leader, GRACE_S)
        process.wait()
        _output(process).close()
    if exit_code != 0:
        raise TidemillError(f"{job.name}: {reason(exit_code, lines)}")
    return Finished(tuple(lines), exit_code, time.monotonic() - started_at, peak_gb)


def _start(job: Job) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        job.command,
        cwd=job.root,
        env=settings.stage(job.environment or os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _progress(told: dict[str, object]) -> Progress:
    done, total = float(str(told["done"])), float(str(told["total"]))
    return Progress(str(told["what"]), done, total, str(told.get("note") or ""))


def _output(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    return cast("IO[bytes]", process.stdout)


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[str | None]:
    """Each line as it comes, and None each second, until the process is done."""
    descriptor = _output(process).fileno()
    rest = b""
    look_at = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            over = process.poll() is not None
            ready = selector.select(timeout=0 if over else LOOK_EVERY_S / 5)
            chunk = os.read(descriptor, 65536) if ready else b""
            if chunk:
                *complete, rest = (rest + chunk).split(b"\n")
                yield from map(_text, complete)
            elif over:
                break
            elif ready:
                selector.unregister(descriptor)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + LOOK_EVERY_S
                yield None
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    """The line as a terminal would leave it: what a carriage return has overwritten is gone."""
    return line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]


def _within_budget(job: Job, leader: Identity) -> float:
    """The memory in use (GiB). Raises PromiseError that names figure and limit."""
    used_gb = memory_gib(leader)
    if used_gb > job.memory_gb:
        raise PromiseError(
            f"{job.name}: used {used_gb:.2f} GB of memory, and the recipe's budget.memory_gb is {job.memory_gb:g}; "
            "give it more, or make the model, the batch or the data smaller"
        )
    if time.monotonic() > job.deadline:
        raise PromiseError(
            f"{job.name}: was not done when the run had used its {job.minutes:g} minutes, the recipe's "
            "budget.minutes; give it more, or run the same command again: what is finished is not done twice"
        )
    return used_gb
