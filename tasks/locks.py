"""One at a time adds to the shards of one recipe."""

import contextlib
from collections.abc import Iterator

from tasks import file_lock
from tasks.errors import BusyError
from tasks.paths import Paths


@contextlib.contextmanager
def alone(paths: Paths) -> Iterator[None]:
    """Hold the recipe's lock; the kernel gives it back however the process ends.

    Raises BusyError when another process adds to the recipe's shards.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock.held(paths.home / "locks" / f"collect-{paths.recipe}.lock"))
        except BusyError as error:
            raise BusyError(
                f"{paths.recipe}: another collect or pull is running; wait for it, then run this again"
            ) from error
        yield
