"""A lifecycle run started by hand: in this process, against servers that stand."""

import importlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows import settings
from flows.events import Display, shown
from flows.steps import Result
from tasks.errors import ServerError


def run(
    recipe: str, home: Path, urls: Mapping[str, str], display: Display, flow: str = "lifecycle"
) -> Sequence[Result]:
    """How each stage of the `flow` (a module and function of that name) ended.

    Prefect is imported here, after its environment is set.

    Raises what the flow raises, and ServerError when Prefect stops answering.
    """
    settings.apply(settings.flow(home, urls))
    import httpx
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    chosen = getattr(importlib.import_module(f"flows.{flow}"), flow)
    # Otherwise Prefect writes into the display when it cannot deliver a log line.
    logging.raiseExceptions = False
    token = shown.set(display)
    try:
        # The heartbeat's thread is waited for at the end, a second of nothing; our lock tells who is alive.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            results: Sequence[Result] = chosen(recipe)
            return results
    except httpx.TransportError as error:
        raise ServerError(
            f"Prefect stopped answering at {urls['prefect']} ({error}); see `tidemill status`, then run this again: "
            "what is finished is not done twice"
        ) from error
    finally:
        shown.reset(token)
