"""Label Studio's annotations as label rows, one each; those that hold no label are refused with their task."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Row = dict[str, Any]

OWN_COLUMNS = ("annotator", "label", "labelled_at", "seconds")
"""What an annotation says, beside the keys of its task's `data`."""

VALUES = ("choices", "rating", "text", "number", "selected")
"""Where the labelling tags leave what a person chose or wrote."""


def label_rows(tasks: Iterable[Mapping[str, Any]], control: str | None = None) -> tuple[list[Row], tuple[str, ...]]:
    """The label rows of tasks with `annotations`, and notes on the annotations that were refused.

    Keys: task, annotator, label, labelled_at (the last change), seconds, and all of the tasks' `data`. `control` names
    the labelling tag (`from_name`) when a task has several. Cancelled, empty and ambiguous annotations are refused, and
    all of an annotator who gave one task different answers: nobody can say which of them is meant.
    """
    rows: list[Row] = []
    refused: list[str] = []
    for task in tasks:
        given, faults = _of_task(task, control)
        rows += given
        refused += [f"task {task.get('id')}: {fault}" for fault in faults]
    return rows, tuple(refused)


def _of_task(task: Mapping[str, Any], control: str | None) -> tuple[list[Row], list[str]]:
    rows, faults = [], []
    for annotation in task["annotations"]:
        label, fault = label_of(annotation, control)
        if fault:
            faults.append(fault)
        else:
            rows.append(_row(task, annotation, label))
    contradicting = dict(_contradicting(rows))
    faults += [f"{who} gives different answers ({', '.join(labels)})" for who, labels in contradicting.items()]
    return [row for row in rows if row["annotator"] not in contradicting], faults


def _contradicting(rows: list[Row]) -> Iterator[tuple[str, list[str]]]:
    """The annotators with more than one answer to the task, each with the answers."""
    answers = defaultdict(set)
    for row in rows:
        if row["annotator"] is not None:
            answers[row["annotator"]].add(row["label"])
    yield from ((who, sorted(labels)) for who, labels in answers.items() if len(labels) > 1)


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
    """Every choice, rating, text, number and preference that the annotation gives to the control tag."""
    for result in annotation.get("result") or []:
        if control is not None and result.get("from_name") != control:
            continue
        value = result.get("value") or {}
        for kind in VALUES:
            given = value.get(kind)
            found = given if isinstance(given, list) else [given]
            yield from (str(item).strip() for item in found if item is not None and str(item).strip())


def _row(task: Mapping[str, Any], annotation: Mapping[str, Any], label: str) -> Row:
    own = {
        "task": str(task.get("id")),
        "annotator": annotator_of(annotation),
        "label": label,
        "labelled_at": annotation.get("updated_at") or annotation.get("created_at"),
        "seconds": annotation.get("lead_time"),
    }
    return {**task["data"], **own}


def annotator_of(annotation: Mapping[str, Any]) -> str | None:
    """The mail address where it is given, else the id; None when nobody is."""
    completed_by = annotation.get("completed_by")
    if isinstance(completed_by, Mapping):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None else str(completed_by)
