"""Answered: whether enough of a round's answers are in, and whether people agree enough for them to be believed."""

from typing import TYPE_CHECKING

from tasks import ledger, storage
from tasks.label.ask import asked
from tasks.label.pool import labelled_ids
from tasks.paths import Paths
from tasks.recipe import Loop, Recipe
from tasks.tides import Standing, note, standing, stop

if TYPE_CHECKING:
    import pandas as pd

MANY = 2
SHARED = 10
"""Records with several answers, from which their disagreement says something."""


def run(recipe: Recipe, paths: Paths) -> None:
    """Enter the answers into the ledger once enough are in; end the tide when people disagree too much."""
    now = standing(ledger.entries(paths.home, recipe.name))
    if now.next != "wait":
        return
    records, done = counted(recipe, paths, now)
    if not enough(done, len(records), recipe.loop):
        print(
            f"{done:,} of {len(records):,} records are answered; the loop goes on from {recipe.loop.answered:.0%}",
            flush=True,
        )
        return
    consensus = storage.read_table(
        paths.stage("annotate") / "consensus.parquet", ["record_id", "n_labels", "agreement"]
    )
    shared = consensus[consensus["record_id"].isin(records) & (consensus["n_labels"] >= MANY)]
    disagreement = float(1 - shared["agreement"].mean()) if len(shared) >= SHARED else None
    if disagreement is not None and disagreement > recipe.loop.most_disagreement:
        reason = (
            f"the labels disagree too much: {disagreement:.0%} of the answers on {len(shared)} shared records are not "
            f"their consensus, more than loop.most_disagreement {recipe.loop.most_disagreement:.0%}; sharpen "
            "label.instructions, or the classes"
        )
        stop(paths.home, recipe.name, now, reason)
        return
    told = "unknown: too few were answered by several people" if disagreement is None else f"{disagreement:.0%}"
    found = {"answered": done, "asked": len(records), "shared": len(shared), "disagreement": disagreement}
    reason = f"{done} of {len(records)} records are answered; disagreement {told}"
    note(paths.home, recipe.name, "answers", now, {"reason": reason, **found})
    print(reason, flush=True)


def counted(recipe: Recipe, paths: Paths, now: Standing) -> "tuple[pd.Series[str], int]":
    """The ids of the records that people were asked about, and how many of them have an answer that counts."""
    records = asked(recipe, paths, now)["record_id"]
    return records, int(records.isin(labelled_ids(paths)).sum())


def enough(done: int, wanted: int, loop: Loop) -> bool:
    """Whether the loop can go on."""
    return done >= max(1, loop.answered * wanted)
