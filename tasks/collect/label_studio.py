"""Label Studio's own JSON export as rows, one a label; annotations that hold none are refused by name."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from tasks.collect.tables import decoded, table_of
from tasks.errors import SourceError

Row = dict[str, Any]

OWN_COLUMNS = ("annotator", "label", "labelled_at", "seconds")
"""What an annotation says, beside the keys of its task's `data`."""


def export_table(content: bytes, control: str | None = None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The label rows of an export and the notes on annotations that were refused.

    Columns: task, annotator, label, labelled_at, seconds, and all keys of the tasks' `data`; the index is the task's id.
    `control` names the labelling tag (`from_name`) when a task has several. Cancelled, empty and ambiguous
    annotations are refused. Raises SourceError when the file is no such export.
    """
    tasks = _tasks(content)
    rows, refused = [], []
    for task in tasks:
        for annotation in task["annotations"]:
            label, fault = label_of(annotation, control)
            if fault:
                refused.append(f"task {task.get('id')}: {fault}")
            else:
                rows.append(_row(task, annotation, label))
    index = pd.Index([row["task"] for row in rows], name="task")
    return table_of(rows, index), tuple(refused)


def label_of(annotation: Mapping[str, Any], control: str | None) -> tuple[str, str]:
    """The annotation's label and no fault, or nothing and why there is none."""
    if annotation.get("was_cancelled"):
        return "", "was cancelled"
    values = list(_values(annotation, control))
    if not values:
        return "", "is empty"
    if len(values) > 1:
        return "", f"gives {len(values)} labels ({', '.join(values)}) where one is wanted"
    return values[0], ""


def _values(annotation: Mapping[str, Any], control: str | None) -> Iterator[str]:
    """Every choice, rating and text that the annotation gives to the control tag."""
    for result in annotation.get("result") or []:
        if control is not None and result.get("from_name") != control:
            continue
        value = result.get("value") or {}
        for kind in ("choices", "rating", "text"):
            given = value.get(kind)
            found = given if isinstance(given, list) else [given]
            yield from (str(item).strip() for item in found if item is not None and str(item).strip())


def _row(task: Mapping[str, Any], annotation: Mapping[str, Any], label: str) -> Row:
    own = {
        "task": str(task.get("id")),
        "annotator": _annotator(annotation.get("completed_by")),
        "label": label,
        "labelled_at": annotation.get("created_at"),
        "seconds": annotation.get("lead_time"),
    }
    return {**task["data"], **own}


def _annotator(completed_by: Any) -> str | None:
    """The mail address where the export gives one, else the id."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None else str(completed_by)


def _tasks(content: bytes) -> list[dict[str, Any]]:
    try:
        tasks = json.loads(decoded(content, "utf-8"))
    except ValueError as error:
        raise SourceError(f"is no valid JSON ({error}); export again from Label Studio as JSON") from error
    wanted = "export as JSON (not JSON-MIN or CSV): a list of tasks with `data` and `annotations`"
    if not isinstance(tasks, list):
        raise SourceError(f"is no Label Studio export; {wanted}")
    for number, task in enumerate(tasks, 1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict) or "annotations" not in task:
            raise SourceError(f"task {number} is no Label Studio task; {wanted}")
    return tasks
