"""A record in the runs of a Prefect server of the user's own, which is reached by its API alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    LogFilter,
    LogFilterFlowRunId,
)

from tasks.forget.needles import spans
from tasks.forget.search import Finding

if TYPE_CHECKING:
    from tasks.forget.target import Target

PLACE = "Prefect"
PAGE = 200


@dataclass(frozen=True)
class _Words:
    """Something that a run has left: where (an artifact's or the run's address) and what it says."""

    path: str
    text: str


def search(recipes: Sequence[str], target: "Target") -> list[Finding]:
    """The artifacts that hold something, and the runs whose log or state does."""
    with get_client(sync_client=True) as client:
        found: dict[str, int] = {}
        for run_id in _runs(client, recipes):
            for words in _words(client, run_id):
                passages = len(spans(words.text.encode(errors="replace"), target.needles))
                found[words.path] = found.get(words.path, 0) + passages
    return [Finding(PLACE, path, 0, passages) for path, passages in found.items() if passages]


def erase(findings: Iterable[Finding], _target: "Target") -> list[str]:
    """Delete these artifacts and runs (a log line cannot be changed); what the API gives no way to delete."""
    todo = list(findings)
    with get_client(sync_client=True) as client:
        for finding in todo:
            kind, _, name = finding.path.partition("/")
            delete = client.delete_artifact if kind == "artifact" else client.delete_flow_run
            delete(UUID(name))
    return ["Prefect: events of the deleted runs, which the server drops by itself after days"] if todo else []


def _runs(client: SyncPrefectClient, recipes: Sequence[str]) -> Iterator[UUID]:
    """The lifecycle's runs of these recipes."""
    flows = FlowFilter(name=FlowFilterName(any_=["lifecycle"]))
    named = FlowRunFilter(name=FlowRunFilterName(any_=list(recipes)))
    for page in count():
        runs = client.read_flow_runs(flow_filter=flows, flow_run_filter=named, limit=PAGE, offset=page * PAGE)
        yield from (run.id for run in runs)
        if len(runs) < PAGE:
            return


def _words(client: SyncPrefectClient, run_id: UUID) -> Iterator[_Words]:
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    run = f"run/{run_id}"
    states = [client.read_flow_run(run_id).state, *(one.state for one in client.read_task_runs(flow_run_filter=only))]
    yield from (_Words(run, state.message or "") for state in states if state)
    for page in count():
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])), PAGE, page * PAGE)
        # Lines are joined: an excerpt may have been cut by a line break.
        yield _Words(run, "\n".join(log.message for log in logs))
        if len(logs) < PAGE:
            break
    for artifact in client.read_artifacts(flow_run_filter=only):
        yield _Words(f"artifact/{artifact.id}", f"{artifact.data} {artifact.description}")
