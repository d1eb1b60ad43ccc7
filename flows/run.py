"""Flows started by hand: in this process, against servers that stand."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flows import settings
from flows.events import Display, shown
from flows.steps import Result
from tasks.errors import ServerError


def run(recipe: str, home: Path, urls: Mapping[str, str], display: Display) -> Sequence[Result]:
    """How each stage of the lifecycle ended."""

    def lifecycle_of_recipe() -> Sequence[Result]:
        from flows.lifecycle import lifecycle

        return lifecycle(recipe)

    return in_prefect(lifecycle_of_recipe, home, urls, display)


def in_prefect(
    start: Callable[[], Sequence[Result]], home: Path, urls: Mapping[str, str], display: Display
) -> Sequence[Result]:
    """How each step of the flow that `start` calls ended. Prefect is imported here, after its environment is set.

    Raises what the flow raises, and ServerError when Prefect stops answering.
    """
    settings.apply(settings.flow(home, urls))
    import httpx
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Otherwise Prefect writes into the display when it cannot deliver a log line.
    logging.raiseExceptions = False
    token = shown.set(display)
    try:
        # The heartbeat's thread is waited for at the end, a second of nothing; our lock tells who is alive.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            return start()
    except httpx.TransportError as error:
        raise ServerError(
            f"Prefect stopped answering at {urls['prefect']} ({error}); see `tidemill status`, then run this again: "
            "what is finished is not done twice"
        ) from error
    finally:
        shown.reset(token)
