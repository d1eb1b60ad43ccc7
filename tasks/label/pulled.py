"""What a project in Label Studio says that has not landed: answers, changes of mind, answers that were taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tasks.annotations import label_rows
from tasks.label.page import CONTROL
from tasks.label.studio import exchange
from tasks.label.studio.connection import Studio
from tasks.label.taken_back import taken_back
from tasks.label_rows import label_table


@dataclass(frozen=True)
class Pulled:
    """Label rows that are new (those without a label take one back), how many were read, and notes on the refused."""

    project: int
    rows: pd.DataFrame
    read: int
    refused: tuple[str, ...]
    newest: str | None
    """The time of the last change seen."""


def pulled(
    studio: Studio, project: int, source: str, since: str | None, landed: pd.DataFrame, known: frozenset[str]
) -> Pulled:
    """What changed since then. `landed` are the label rows under DVC, `known` the ids of the records there."""
    before = landed[landed["source"] == source]
    changes = exchange.changed(studio, project, since)
    # What never had an answer cannot have lost one.
    ids = [*changes.answered, *(changes.empty if len(before) else [])]
    tasks = list(exchange.exported(studio, project, ids))
    rows, refused = label_rows(tasks, CONTROL)
    strangers = dict.fromkeys(row["task"] for row in rows if row.get("record_id") not in known)
    answers = label_table([row for row in rows if row.get("record_id") in known], source)
    notes = tuple(f"task {number}: asks about a record that is not in data/" for number in strangers)
    doubtful = taken_back(tasks, before)
    withdrawn = taken_back(_all_tasks(studio, project, doubtful["record_id"]), before) if len(doubtful) else doubtful
    fresh = pd.concat([new_answers(answers, before), withdrawn], ignore_index=True)
    return Pulled(project, fresh[list(answers.columns)], len(answers), (*refused, *notes), changes.newest)


def new_answers(answers: pd.DataFrame, landed: pd.DataFrame) -> pd.DataFrame:
    """The answers that say something new: no other than the annotator's newest one on the record says it already.

    `landed` are label rows of the same sources. A change of mind (A, then B, then A again) is new each time; an
    annotation that was merely touched is not.
    """
    key = ["source", "record_id", "annotator"]
    before = landed.sort_values("labelled_at", kind="stable")
    newest = before.drop_duplicates(key, keep="last")[[*key, "label", "labelled_at"]]
    once = answers.sort_values("labelled_at", kind="stable").drop_duplicates([*key, "label"], keep="last")
    beside = once.merge(newest, on=key, how="left", suffixes=("", "_before"))
    same = (beside["label"] == beside["label_before"]) | (beside["labelled_at"] <= beside["labelled_at_before"])
    return beside.loc[~same.to_numpy(), list(answers.columns)].reset_index(drop=True)


def _all_tasks(studio: Studio, project: int, record_ids: "pd.Series[str]") -> list[Mapping[str, Any]]:
    """Every task about these records: a record has two when two imports met, and each may hold the answer."""
    wanted = set(record_ids)
    ids = [number for number, key in exchange.task_keys(studio, project) if key in wanted]
    return list(exchange.exported(studio, project, ids))
