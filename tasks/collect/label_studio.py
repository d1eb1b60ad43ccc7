"""Label Studio's own JSON export as rows, one a label; annotations that hold none are refused by name."""

import json
from typing import Any

import pandas as pd

from tasks.annotations import label_rows
from tasks.collect.tables import decoded, table_of
from tasks.errors import SourceError


def export_table(content: bytes, control: str | None = None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The label rows of an export and the notes on annotations that were refused.

    Columns: task, annotator, label, labelled_at, seconds, and all keys of the tasks' `data`; the index is the task's id.
    `control` names the labelling tag (`from_name`) when a task has several. Raises SourceError when the file is no
    such export.
    """
    rows, refused = label_rows(_tasks(content), control)
    index = pd.Index([row["task"] for row in rows], name="task")
    return table_of(rows, index), refused


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
