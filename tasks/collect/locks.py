"""One collect at a time on one recipe."""

import contextlib
import fcntl
from collections.abc import Iterator

from tasks.errors import BusyError
from tasks.paths import Paths


@contextlib.contextmanager
def alone(paths: Paths) -> Iterator[None]:
    """Hold the recipe's lock; the kernel gives it back however the process ends.

    Raises BusyError when another process collects for the recipe.
    """
    path = paths.home / "locks" / f"collect-{paths.recipe}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"{paths.recipe}: another collect is running; wait for it, then run this again") from error
        yield
