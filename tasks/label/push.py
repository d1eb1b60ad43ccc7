"""Chosen records into Label Studio: each once, whichever side dies in between."""

import importlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.champion import Champion
from tasks.label.page import answer, answers, page
from tasks.label.studio import exchange, projects
from tasks.label.studio.connection import Studio
from tasks.progress import progress
from tasks.recipe import Labels, Recipe
from tasks.records import CONTENT_COLUMN

SHOWN = ("record_id", "domain", "source", "why")
"""Beside the content: for filters in Label Studio's table, not on the page."""


def mark(recipe: str, what: str = "label") -> str:
    """How our project is found again among others."""
    return f"[tidemill {what}:{recipe}]"


def settings(recipe: Recipe) -> dict[str, Any]:
    """The project as the recipe wants it."""
    label = recipe.label
    return {
        "title": recipe.title,
        "description": "Records that Tidemill chose.",
        "label_config": page(recipe.kind, recipe.labels),
        "expert_instruction": label.instructions,
        "show_instruction": bool(label.instructions),
        "show_collab_predictions": label.show_predictions,
        "maximum_annotations": label.overlap,
        "overlap_cohort_percentage": round(100 * label.overlap_share) if label.overlap > 1 else 100,
    }


def tasks_of(records: pd.DataFrame, recipe: Recipe, champion: Champion | None) -> list[exchange.Task]:
    """One task a record, with the champion's answer and how sure it is of it."""
    content = CONTENT_COLUMN[recipe.kind]
    columns = [content, *(name for name in SHOWN if name in records)]
    rows = data_of(records[columns], recipe)
    if champion is None:
        return [{"data": row} for row in rows]
    probabilities = champion.model.probabilities(records[content].tolist())
    name = f"{recipe.name}@{champion.version.number}"
    guesses = [_prediction(recipe, champion.model.classes, one, name) for one in probabilities]
    return [{"data": row, "predictions": [guess]} for row, guess in zip(rows, guesses, strict=True)]


def data_of(records: pd.DataFrame, recipe: Recipe) -> list[dict[str, Any]]:
    """The records as the data of tasks: contents as the page shows them, None for what is not known."""
    kind, column = importlib.import_module(f"tasks.label.{recipe.kind}"), CONTENT_COLUMN[recipe.kind]
    plain = records.astype("object").where(records.notna(), None)
    rows = plain.assign(**{column: records[column].map(kind.shown)}).to_dict(orient="records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _prediction(recipe: Recipe, classes: Sequence[str], one: NDArray[np.float32], name: str) -> dict[str, Any]:
    best = int(one.argmax())
    label = typical_answer(recipe.labels, classes[best])
    return {"model_version": name, "score": float(one[best]), "result": [answer(recipe.kind, recipe.labels, label)]}


def typical_answer(scheme: Labels, name: str) -> str:
    """The class itself, or on a scale the whole number in the middle of the class's span."""
    if scheme.ratings is None:
        return name
    ends = (scheme.ratings.low, *scheme.ratings.cuts, scheme.ratings.high)
    position = scheme.classes.index(name)
    middle = (ends[position] + ends[position + 1]) / 2
    return min(answers(scheme), key=lambda number: abs(float(number) - middle))


def push(studio: Studio, project: int, tasks: Sequence[exchange.Task]) -> int:
    """How many tasks were added: those of a record that has none yet.

    What is there is asked first, so an import that was cut off is completed by the next try. Tasks of one record that
    are there twice (two imports at once) are made one again.
    """
    there = {key for _, key in exchange.task_keys(studio, project)}
    missing = [task for task in tasks if task["data"]["record_id"] not in there]
    done = 0
    with progress("tasks", len(missing)) as report:
        for some in exchange.chunks(missing):
            exchange.add_tasks(studio, project, some)
            report(done := done + len(some))
    remove_copies(studio, project)
    return len(missing)


def remove_copies(studio: Studio, project: int) -> int:
    """How many tasks were deleted because an older one asks about the same record; never one with an answer."""
    keys = exchange.task_keys(studio, project)
    often = {key for key, count in Counter(key for _, key in keys if key is not None).items() if count > 1}
    if not often:
        return 0
    answered = set(exchange.changed(studio, project, None).answered)
    kept: set[str] = {key for number, key in keys if key in often and number in answered}
    deleted = 0
    for number, key in keys:
        if key not in often or number in answered:
            continue
        if key in kept:
            exchange.delete_task(studio, number)
            deleted += 1
        kept.add(key)
    return deleted


def ensured_project(studio: Studio, recipe: Recipe) -> int:
    """The id of the recipe's project, its page as the recipe wants it."""
    return projects.ensured(studio, mark(recipe.name), settings(recipe))
