"""Label errors: how much noise there is in the labels, and which records are worth a second look."""

import numpy as np
import pandas as pd

from tasks import shards, storage
from tasks.errors import TidemillError
from tasks.label import review, wrong
from tasks.label.pool import prepared
from tasks.label.vectors import vectors
from tasks.label_rows import classes_of_ratings, newest_answers
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Labels, Recipe
from tasks.records import ADJUDICATED, CONTENT_COLUMN

WHY = "probably labelled wrong"
SHOWN = 20


def run(recipe: Recipe, paths: Paths) -> None:
    """Bring the least believed labels into the review project, as many as the budget; leave errors.md.

    What several people said counts beside the model, and what the review has decided is not asked again. Raises
    TidemillError when a class has too few labels for the folds, ServerError without Label Studio.
    """
    labelled = _labelled(recipe, paths)
    classes = pd.Index(recipe.labels.classes).get_indexer(pd.Index(labelled["label"])).astype(np.int64)
    beliefs = wrong.out_of_fold(vectors(labelled, recipe, paths), classes, len(recipe.labels.classes), recipe.seed)
    answers = newest_answers(shards.landed(paths.labels, shards.LABEL_KEY))
    heard = wrong.with_votes(beliefs, votes(answers, labelled["record_id"], recipe.labels))
    doubted = suspects_of(labelled, classes, beliefs, recipe.labels.classes)
    settled = doubted["record_id"].isin(_settled(labelled, classes, heard, answers))
    found = doubted[~settled].reset_index(drop=True)
    questions = found.head(recipe.label.budget).assign(
        why=WHY, opinions=lambda rows: [_opinion(r) for r in rows.itertuples()]
    )
    added, address = review.send(recipe, paths, questions[["record_id", "why", "opinions"]])
    said = (
        f"{len(found):,} of {len(labelled):,} labels are probably wrong"
        f" ({int(settled.sum()):,} more look so to the model, but people have settled them);"
        f" estimated noise {wrong.share(classes, beliefs, heard):.1%}; {added:,} new in review {address}"
    ).rstrip()
    rows = [(r.record_id, r.label, r.believed, f"{r.belief:.2f}") for r in found.head(SHOWN).itertuples()]
    page = [said, table(("record", "label", "the model believes", "how much"), rows)]
    storage.write_text(paths.labelling / "errors.md", "\n\n".join(page))
    print(said, flush=True)


def votes(answers: pd.DataFrame, record_ids: "pd.Series[str]", scheme: Labels) -> "wrong.IntArray":
    """How many people said what of each record: records x classes."""
    rows = pd.Index(record_ids).get_indexer(pd.Index(answers["record_id"]))
    said = _classes(answers["label"], scheme)
    known = (rows >= 0) & (said >= 0)
    cells = np.bincount(
        rows[known] * len(scheme.classes) + said[known], minlength=len(record_ids) * len(scheme.classes)
    )
    return cells.reshape(len(record_ids), len(scheme.classes)).astype(np.int64)


def _classes(labels: "pd.Series[str]", scheme: Labels) -> "wrong.IntArray":
    """The class position of each label, -1 where it says none."""
    if scheme.ratings is None:
        return pd.Index(scheme.classes).get_indexer(pd.Index(labels)).astype(np.int64)
    return classes_of_ratings(pd.to_numeric(labels, errors="coerce").to_numpy(dtype=np.float64), scheme.ratings)


def _settled(
    labelled: pd.DataFrame, classes: "wrong.IntArray", heard: "wrong.FloatArray", answers: pd.DataFrame
) -> set[str]:
    """The records whose label stands after all opinions were heard, or was given in review."""
    reviewed = labelled["record_id"].isin(answers.loc[answers["source"] == ADJUDICATED, "record_id"])
    several = labelled["n_labels"] > 1
    return set(labelled.loc[reviewed | (several & (heard.argmax(axis=1) == classes)), "record_id"])


def suspects_of(
    labelled: pd.DataFrame, classes: "wrong.IntArray", beliefs: "wrong.FloatArray", names: tuple[str, ...]
) -> pd.DataFrame:
    """The suspicious rows of `labelled`, the least believed first, with what is believed of them and how much."""
    rows = wrong.suspects(classes, beliefs)
    best = beliefs[rows].argmax(axis=1)
    believed = pd.Series([names[position] for position in best], dtype="str")
    found = labelled.iloc[rows].reset_index(drop=True)
    return found.assign(believed=believed, belief=beliefs[rows, best])


def _labelled(recipe: Recipe, paths: Paths) -> pd.DataFrame:
    """The prepared records with their consensus."""
    agreed = storage.read_table(paths.stage("annotate") / "consensus.parquet", ["record_id", "label", "n_labels"])
    labelled = prepared(recipe, paths)[["record_id", CONTENT_COLUMN[recipe.kind]]].merge(agreed, on="record_id")
    counts = labelled["label"].value_counts()
    few = [f"{name} has {counts.get(name, 0)}" for name in recipe.labels.classes if counts.get(name, 0) < wrong.FOLDS]
    if few:
        raise TidemillError(f"{recipe.name}: each class needs {wrong.FOLDS} labels to be checked; {', '.join(few)}")
    return labelled


def _opinion(row: object) -> str:
    return f"label: {getattr(row, 'label')}, model: {getattr(row, 'believed')} ({getattr(row, 'belief'):.0%})"  # noqa: B009
