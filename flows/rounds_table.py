"""The rounds of a federation as a table in Prefect that grows while they run."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from flows import artifacts
from tasks.federate.card import round_rows
from tasks.federate.run import rounds_so_far
from tasks.paths import Paths

if TYPE_CHECKING:
    from uuid import UUID

ROUNDS = "rounds"
"""What a federation calls the loop whose progress it tells."""


def growing(paths: Paths) -> Callable[[], None]:
    """A function that brings the table up to date; it does nothing when no round has ended since."""
    shown = 0
    made: UUID | None = None

    def show() -> None:
        nonlocal shown, made
        rows = round_rows(rounds_so_far(paths))
        if len(rows) <= shown:
            return
        shown = len(rows)
        if made is None:
            key, description = artifacts.key(paths.recipe, ROUNDS), f"The rounds of {paths.recipe}'s federation"
            made = cast("UUID", create_table_artifact(rows, key=key, description=description))
        else:
            with get_client(sync_client=True) as client:
                client.update_artifact(made, ArtifactUpdate(data=json.dumps(rows)))

    return show
