"""A run that was killed, or lost the server, cannot tell Prefect how it ended; whoever comes next does."""

import contextlib
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows import orphans, run_lock
from flows.run_lock import Holder
from tasks.errors import BusyError


def close_all(home: Path) -> None:
    """Close every run of this project whose process is gone, so that its schedule goes on."""
    for recipe in run_lock.noted_recipes(home):
        with contextlib.suppress(BusyError), run_lock.left(home, recipe) as dead:
            if dead:
                close(dead)
            run_lock.forget(home, recipe)


def close(dead: Holder) -> None:
    """End what the dead holder's stage has left running; its flow run and task runs, if not over, have crashed."""
    orphans.end_stage(dead)
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectNotFound):
        _crash(client, UUID(dead.flow_run_id), f"process {dead.pid} ended without telling Prefect")


def _crash(client: SyncPrefectClient, flow_run_id: UUID, why: str) -> None:
    """Raises ObjectNotFound when the server does not know the run (its database is another one)."""
    for task_run in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))):
        if task_run.state is None or not task_run.state.is_final():
            client.set_task_run_state(task_run.id, Crashed(message=why), force=True)
    run = client.read_flow_run(flow_run_id)
    if run.state is None or not run.state.is_final():
        client.set_flow_run_state(flow_run_id, Crashed(message=why), force=True)
