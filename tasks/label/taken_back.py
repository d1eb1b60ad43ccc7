"""Answers that a person took back: deleted or skipped in Label Studio after they had landed.

What landed stays where it is. A row of the same annotator and time without a label says that it counts no more. Only an
answer whose task is still there was taken back: who tidies up a finished project deletes tasks, and takes nothing back.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from tasks.annotations import annotator_of
from tasks.label_rows import newest_answers

Task = Mapping[str, Any]


def taken_back(tasks: Iterable[Task], answers: pd.DataFrame) -> pd.DataFrame:
    """The answers that none of their records' tasks holds any more, without a label: rows as they land.

    `answers`: the label rows of the tasks' own project. Where an annotation has lost its person (a deleted login),
    nobody can say whose it was: then nothing counts as taken back.
    """
    given: dict[str, set[str | None]] = defaultdict(set)
    for task in tasks:
        given[str(task["data"].get("record_id"))] |= {
            annotator_of(one) for one in task["annotations"] if not one.get("was_cancelled")
        }
    counting = newest_answers(answers[answers["record_id"].isin(list(given)) & answers["annotator"].notna()])
    people = zip(counting["record_id"], counting["annotator"], strict=True)
    gone = [who not in given[name] and None not in given[name] for name, who in people]
    rows = counting[pd.Series(gone, index=counting.index, dtype="bool")].reset_index(drop=True)
    return rows.assign(label=pd.Series(None, index=rows.index, dtype="str"))
