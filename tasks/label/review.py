"""Review: what the annotators disagree on, and what is probably labelled wrong, goes to somebody with the last word."""

from collections.abc import Collection
from typing import Any

import pandas as pd

from tasks import shards, storage
from tasks.label.page import page
from tasks.label.pool import prepared
from tasks.label.push import data_of, mark, push
from tasks.label.studio import projects
from tasks.label.studio.connection import Studio, connected, named
from tasks.label_rows import newest_answers
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import ADJUDICATED, CONTENT_COLUMN, CORRECTED, STUDIO

MANY = 2
"""One label cannot be in dispute."""

DISPUTED = "in dispute"


def disputed(consensus: pd.DataFrame, of_people: Collection[str], below: float) -> pd.DataFrame:
    """The consensus rows of records with several labels, of which too few say the consensus.

    `of_people`: the records that were labelled in Label Studio or corrected by a user of the endpoint; what came with a
    source is nobody's dispute here.
    """
    shared = (consensus["n_labels"] >= MANY) & (consensus["agreement"] < below)
    return consensus[shared & consensus["record_id"].isin(set(of_people))].reset_index(drop=True)


def run(recipe: Recipe, paths: Paths) -> None:
    """Bring what is in dispute into the review project. Raises ServerError when Label Studio does not answer."""
    labels = newest_answers(shards.landed(paths.labels, shards.LABEL_KEY))
    decided = labels.loc[labels["source"] == ADJUDICATED, "record_id"]
    ours = labels[labels["source"].isin([STUDIO, CORRECTED]) & ~labels["record_id"].isin(decided)]
    consensus = storage.read_table(paths.stage("annotate") / "consensus.parquet")
    open_questions = disputed(consensus, set(ours["record_id"]), recipe.label.dispute_below).assign(why=DISPUTED)
    said = opinions(ours)
    shown = open_questions.assign(opinions=[said[name] for name in open_questions["record_id"]])
    asked = shown[["record_id", "why", "opinions"]]
    added, address = send(recipe, paths, asked) if named() else (0, "(there is no Label Studio to review them in)")
    parts = [f"{len(shown):,} records are in dispute; {added:,} of them are new in review. {address}".rstrip()]
    rows = [(row.record_id, f"{row.agreement:.0%}", row.opinions) for row in shown.head(20).itertuples()]
    parts += [table(("record", "agreement", "opinions"), rows)] if rows else []
    storage.write_text(paths.labelling / "review.md", "\n\n".join(parts) + "\n")
    print(f"{len(shown):,} records in dispute, {added:,} new in review {address}".rstrip(), flush=True)


def opinions(labels: pd.DataFrame) -> dict[str, str]:
    """Who said what about each record, in one line."""
    said = (labels["annotator"].fillna("somebody") + ": " + labels["label"]).groupby(labels["record_id"])
    return {str(name): ", ".join(lines) for name, lines in said}


def send(recipe: Recipe, paths: Paths, questions: pd.DataFrame) -> tuple[int, str]:
    """How many records were added to the review project, and its address (nothing when there was never a question).

    `questions`: record_id, why, opinions; the texts are those of the prepared records.
    """
    if questions.empty:
        return 0, ""
    content = CONTENT_COLUMN[recipe.kind]
    records = prepared(recipe, paths)[["record_id", content, "domain"]]
    tasks = [{"data": row} for row in data_of(questions.merge(records, on="record_id"), recipe)]
    with connected() as studio:
        project = projects.ensured(studio, mark(recipe.name, "review"), settings(recipe))
        return push(studio, project, tasks), projects.page(studio, project)


def settings(recipe: Recipe) -> dict[str, Any]:
    """The review project: the same page, with who said what above it; one answer, which is the last word."""
    told = '<Header size="5" value="$why"/><View style="white-space: pre-wrap"><Text name="opinions" value="$opinions"/></View>'
    whole = page(recipe.kind, recipe.labels)
    return {
        "title": f"{recipe.title}: review",
        "description": "What annotators disagree on, and labels that are probably wrong; the answer here is the last word.",
        "label_config": whole.removesuffix("</View>") + told + "</View>",
        "maximum_annotations": 1,
        "show_collab_predictions": False,
    }


def open_tasks(studio: Studio, recipe: Recipe) -> dict[str, int] | None:
    """How far the review is, or None when nothing was ever sent to it."""
    project = projects.found(studio, mark(recipe.name, "review"))
    return projects.counts(studio, project) if project is not None else None
