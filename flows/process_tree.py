"""Processes by identity: a pid alone may belong to somebody else by now."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass

import psutil

GIB = 1024**3
POLL_S = 0.05
KILL_PATIENCE_S = 5.0
CLOCK_SLACK_S = 0.05
"""The kernel counts a process's birth in ticks; two readings of it may differ by rounding."""


@dataclass(frozen=True)
class Identity:
    """One process of this machine, for ever: no two share pid and birth."""

    pid: int
    created_at: float
    """Seconds since 1970, as the kernel tells it."""


def identity(pid: int) -> Identity | None:
    """Who has this pid now, or None if nobody has."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def alive(process: Identity) -> bool:
    """Whether that very process still runs; a zombie does not."""
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.created_at) < CLOCK_SLACK_S
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def memory_gib(process: Identity) -> float:
    """Resident memory of the process and all below it, in GiB; 0 when it is gone."""
    try:
        root = psutil.Process(process.pid)
        return sum(_resident_bytes(one) for one in (root, *root.children(recursive=True))) / GIB
    except psutil.NoSuchProcess:
        return 0.0


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def end(leader: Identity, grace_s: float) -> None:
    """Let the process end what it has started by itself, for `grace_s` seconds, then end what is left of its group."""
    if alive(leader):
        os.kill(leader.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while alive(leader) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    end_group(leader, grace_s)


def end_group(leader: Identity, grace_s: float) -> None:
    """End every process of the group that `leader` founded: politely first, after `grace_s` seconds by force.

    An exception while it waits (Ctrl-C once more) brings the force at once.
    """
    try:
        _signal_group(leader, signal.SIGTERM)
        _await_group(leader, grace_s)
    finally:
        _signal_group(leader, signal.SIGKILL)
    _await_group(leader, KILL_PATIENCE_S)


def _signal_group(leader: Identity, sent: signal.Signals) -> None:
    for member in group(leader):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(sent)


def _await_group(leader: Identity, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while group(leader) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def await_reaped(process: Identity, patience_s: float) -> None:
    """Wait until not even a zombie is left of an orphan that has ended."""
    deadline = time.monotonic() + patience_s
    while identity(process.pid) == process and time.monotonic() < deadline:
        time.sleep(POLL_S)


def group(leader: Identity) -> list[psutil.Process]:
    """The living processes of the group that `leader` founded; its orphans too when it is gone itself."""
    current = identity(leader.pid)
    if current and abs(current.created_at - leader.created_at) >= CLOCK_SLACK_S:
        return []
    return [process for process in psutil.process_iter() if _group_of(process) == leader.pid]


def _group_of(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None
