"""Tasks in, annotations out."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.label.studio.connection import Studio

Task = dict[str, Any]

CHUNK = 500
"""Tasks a request: Label Studio takes at most 1,000 parameters, and answers within seconds."""

PAGE = 2_000

SLACK = timedelta(minutes=2)
"""How far before the last change seen we look again: a change bears the time at which it began to be written."""

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def chunks(items: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """The items in order, `size` at a time."""
    yield from (items[start : start + size] for start in range(0, len(items), size))


def task_keys(studio: Studio, project: int) -> list[tuple[int, str | None]]:
    """Each task's id and the `record_id` of its data (None: not made by us), in the order they were made."""
    tasks = _listed(studio, project, "id,data", [])
    return sorted((int(task["id"]), task["data"].get("record_id")) for task in tasks)


def add_tasks(studio: Studio, project: int, tasks: Sequence[Task]) -> None:
    """Add all of these tasks, with their predictions, in one request that works whole or not at all."""
    studio.ask("POST", f"/api/projects/{project}/import", json=list(tasks))


def delete_task(studio: Studio, task: int) -> None:
    """Delete a task with all that belongs to it."""
    studio.ask("DELETE", f"/api/tasks/{task}/")


@dataclass(frozen=True)
class Changes:
    """The ids of tasks that changed: those with answers, and those without (never one, or none any more)."""

    answered: list[int]
    empty: list[int]
    newest: str | None
    """The time of the last change seen."""


def changed(studio: Studio, project: int, since: str | None) -> Changes:
    """The tasks that changed since then (None: ever)."""
    earlier = datetime.strptime(since, TIME_FORMAT).replace(tzinfo=UTC) - SLACK if since is not None else None
    wanted = [_condition("updated_at", "Datetime", earlier.strftime(TIME_FORMAT))] if earlier is not None else []
    tasks = sorted(_listed(studio, project, "id,updated_at,total_annotations", wanted), key=lambda task: task["id"])
    newest = max((str(task["updated_at"]) for task in tasks), default=since)
    answered = [int(task["id"]) for task in tasks if task["total_annotations"]]
    return Changes(answered, [int(task["id"]) for task in tasks if not task["total_annotations"]], newest)


def exported(studio: Studio, project: int, ids: Sequence[int]) -> Iterator[Task]:
    """These tasks with their annotations, annotators by mail address."""
    people = addresses(studio)
    for some in chunks(ids):
        parameters = [
            ("exportType", "JSON"),
            ("download_all_tasks", "true"),
            *(("ids[]", str(number)) for number in some),
        ]
        for task in studio.ask("GET", f"/api/projects/{project}/export", params=parameters):
            annotations = [
                {**one, "completed_by": _who(one.get("completed_by"), people)} for one in task["annotations"]
            ]
            yield {**task, "annotations": annotations}


def addresses(studio: Studio) -> dict[int, str]:
    """Everybody's mail address, by user id."""
    return {int(user["id"]): str(user["email"]) for user in studio.ask("GET", "/api/users/")}


def _who(completed_by: Any, people: dict[int, str]) -> Any:
    return people.get(completed_by, completed_by) if isinstance(completed_by, int) else completed_by


def _condition(column: str, kind: str, above: Any) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{column}", "operator": "greater", "type": kind, "value": above}


def _listed(studio: Studio, project: int, fields: str, conditions: list[dict[str, Any]]) -> list[Task]:
    """All tasks that meet the conditions, these fields of each."""
    query = json.dumps({"filters": {"conjunction": "and", "items": conditions}})
    found: list[Task] = []
    asked = {"project": project, "fields": "task_only", "include": fields, "page_size": PAGE, "query": query}
    for number in range(1, 1_000_000):
        page = studio.ask("GET", "/api/tasks", params={**asked, "page": number})
        found += page["tasks"]
        if len(found) >= int(page["total"]) or not page["tasks"]:
            break
    return found
