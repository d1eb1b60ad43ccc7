"""A lock that the kernel gives back when its holder dies, however it dies."""

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import BusyError

POLL_S = 0.1


@contextlib.contextmanager
def held(path: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file while the block runs. Raises BusyError when another process still has it after the wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        deadline = time.monotonic() + patience_s
        while not _taken(file.fileno()):
            if time.monotonic() >= deadline:
                raise BusyError(f"{path}: another process holds this lock; wait for it, then run this again")
            time.sleep(POLL_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
