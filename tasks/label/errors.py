"""Label errors: how much noise there is in the labels, and which records are worth a second look."""

import numpy as np
import pandas as pd

from tasks import storage
from tasks.errors import TidemillError
from tasks.label import review, wrong
from tasks.label.embeddings import embedded
from tasks.label.pool import prepared
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe

WHY = "probably labelled wrong"
SHOWN = 20


def run(recipe: Recipe, paths: Paths) -> None:
    """Bring the least believed labels into the review project, as many as the budget; leave errors.md.

    Raises TidemillError when a class has too few labels for the folds, ServerError without Label Studio.
    """
    labelled = _labelled(recipe, paths)
    classes = pd.Index(recipe.labels.classes).get_indexer(pd.Index(labelled["label"])).astype(np.int64)
    vectors = embedded(labelled, recipe, paths)
    beliefs = wrong.out_of_fold(vectors, classes, len(recipe.labels.classes), recipe.seed)
    found = suspects_of(labelled, classes, beliefs, recipe.labels.classes)
    share = wrong.noise(classes, beliefs)
    questions = found.head(recipe.label.budget).assign(
        why=WHY, opinions=lambda rows: [_opinion(r) for r in rows.itertuples()]
    )
    added, address = review.send(recipe, paths, questions[["record_id", "why", "opinions"]])
    said = (
        f"{len(found):,} of {len(labelled):,} labels are probably wrong; estimated noise {share:.1%};"
        f" {added:,} new in review {address}"
    ).rstrip()
    rows = [(r.record_id, r.label, r.believed, f"{r.belief:.2f}") for r in found.head(SHOWN).itertuples()]
    page = [said, table(("record", "label", "the model believes", "how much"), rows)]
    storage.write_text(paths.labelling / "errors.md", "\n\n".join(page))
    print(said, flush=True)


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
    agreed = storage.read_table(paths.stage("annotate") / "consensus.parquet", ["record_id", "label"])
    labelled = prepared(recipe, paths)[["record_id", "text"]].merge(agreed, on="record_id")
    counts = labelled["label"].value_counts()
    few = [f"{name} has {counts.get(name, 0)}" for name in recipe.labels.classes if counts.get(name, 0) < wrong.FOLDS]
    if few:
        raise TidemillError(f"{recipe.name}: each class needs {wrong.FOLDS} labels to be checked; {', '.join(few)}")
    return labelled


def _opinion(row: object) -> str:
    return f"label: {getattr(row, 'label')}, model: {getattr(row, 'believed')} ({getattr(row, 'belief'):.0%})"  # noqa: B009
