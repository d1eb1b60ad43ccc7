"""Projects of ours in Label Studio: found by a mark, made when there is none, kept as the recipe says."""

from collections.abc import Mapping
from typing import Any

from tasks.errors import ServerError
from tasks.label.studio.connection import Studio

TITLE_CHARACTERS = 50
"""Label Studio takes no longer title."""


def found(studio: Studio, mark: str) -> int | None:
    """The id of the oldest project whose description ends with the mark, or None."""
    page = studio.ask("GET", "/api/projects/", params={"page_size": 10_000, "include": "id,description"})
    return min((int(p["id"]) for p in page["results"] if str(p["description"]).endswith(mark)), default=None)


def ensured(studio: Studio, mark: str, settings: Mapping[str, Any]) -> int:
    """The id of the marked project, with these settings (label_config, maximum_annotations …).

    Raises ServerError when Label Studio refuses the settings, as when annotations use a class that the page lost.
    """
    content = {**settings, "description": f"{settings.get('description', '')} {mark}".strip()}
    content["title"] = str(content["title"])[:TITLE_CHARACTERS]
    project = found(studio, mark)
    if project is None:
        return int(studio.ask("POST", "/api/projects/", json=content)["id"])
    now = studio.ask("GET", f"/api/projects/{project}/")
    changed = {key: value for key, value in content.items() if now.get(key) != value}
    if changed:
        studio.ask("PATCH", f"/api/projects/{project}/", json=changed)
    return project


def required(studio: Studio, mark: str, recipe: str) -> int:
    """The id of the marked project. Raises ServerError when there is none."""
    project = found(studio, mark)
    if project is None:
        raise ServerError(f"{studio.url}: has no project of {recipe}; make it with: tidemill label {recipe}")
    return project


def counts(studio: Studio, project: int) -> dict[str, int]:
    """How far the project is: tasks, tasks with all their answers, annotations, skipped."""
    told = studio.ask("GET", f"/api/projects/{project}/")
    return {
        "tasks": int(told["task_number"]),
        "finished": int(told["finished_task_number"]),
        "annotations": int(told["total_annotations_number"]),
        "skipped": int(told["skipped_annotations_number"]),
    }


def page(studio: Studio, project: int) -> str:
    """The address at which people label."""
    return f"{studio.url}/projects/{project}/data"


def ensure_webhook(studio: Studio, project: int, url: str, headers: Mapping[str, str]) -> None:
    """Let Label Studio tell `url` of every annotation that is made, changed or deleted; once, whatever was before."""
    wanted = {
        "url": url,
        "project": project,
        "headers": dict(headers),
        # The receiver asks for what is new by itself: no text of anybody's has to travel here.
        "send_payload": False,
        "send_for_all_actions": False,
        "actions": ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"],
        "is_active": True,
    }
    for hook in studio.ask("GET", "/api/webhooks/", params={"project": project}):
        if hook["url"] == url and hook["headers"] == headers:
            return
        if str(hook["url"]).rpartition("/")[2] == url.rpartition("/")[2]:
            studio.ask("DELETE", f"/api/webhooks/{hook['id']}/")
    studio.ask("POST", "/api/webhooks/", json=wanted)
