"""Label: choose the records that people are asked about, and bring them into Label Studio."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import champion as champions
from tasks import file_lock, storage
from tasks.champion import Champion
from tasks.errors import TidemillError
from tasks.label import state
from tasks.label.choose import Chosen, chosen, usable
from tasks.label.pool import labelled_ids, nothing_left, pool, prepared
from tasks.label.push import ensured_project, push, tasks_of
from tasks.label.strategies import Candidates
from tasks.label.studio import exchange, projects
from tasks.label.studio.connection import Studio, connected
from tasks.label.vectors import Vectors, vectors
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN

LABELLED_SAMPLE = 2000
"""Labelled records that a strategy compares with."""


def run(recipe: Recipe, paths: Paths) -> None:
    """Choose a round within the budget and push it; a round that was cut off is completed instead.

    Raises ServerError when Label Studio does not answer, TidemillError when no record is left to ask about, BusyError
    when another `label` is at it.
    """
    with file_lock.held(paths.labelling / "round.lock"), connected() as studio:
        project = ensured_project(studio, recipe)
        begun = state.unfinished(paths)
        if begun is not None:
            print(f"round {begun.number} was cut off; it is completed now", flush=True)
        now = begun or _new_round(recipe, paths, studio, project)
        added = push(studio, project, now.tasks)
        state.finish(paths, now)
        _tell(recipe, paths, now, added, projects.page(studio, project))


def _new_round(recipe: Recipe, paths: Paths, studio: Studio, project: int) -> state.Round:
    """A fresh choice, noted before anything leaves."""
    records = prepared(recipe, paths)
    asked = {key for _, key in exchange.task_keys(studio, project) if key is not None}
    open_records = pool(records, labelled_ids(paths), asked, recipe.label.enough)
    if open_records.empty:
        raise TidemillError(nothing_left(recipe, len(records), len(asked)))
    number = state.next_number(paths)
    model = champions.champion(recipe.name, recipe.threads)
    selection = _chosen(open_records, recipe, paths, model, number)
    now = state.Round(number, selection.strategy, project, tuple(tasks_of(selection.records, recipe, model)))
    state.begin(paths, now)
    return now


def _chosen(open_records: pd.DataFrame, recipe: Recipe, paths: Paths, model: Champion | None, number: int) -> Chosen:
    strategy = usable(recipe, model is not None)
    if strategy != recipe.label.strategy:
        print(f"there is no champion yet to be uncertain: {strategy} takes the place of {recipe.label.strategy}")
    return chosen(
        open_records, recipe, strategy, lambda rows: looked_at(rows, recipe, paths, model), recipe.seed + number
    )


def looked_at(rows: pd.DataFrame, recipe: Recipe, paths: Paths, model: Champion | None) -> Candidates:
    """The candidates for a strategy: probabilities at once, vectors when it asks for them."""
    column = CONTENT_COLUMN[recipe.kind]

    def vectors_at(positions: NDArray[np.int64]) -> Vectors:
        return vectors(rows.iloc[positions], recipe, paths)

    def labelled() -> tuple[Vectors, NDArray[np.int64]]:
        taught = _taught(paths, column)
        classes = pd.Index(recipe.labels.classes).get_indexer(pd.Index(taught["label"]))
        return vectors(taught, recipe, paths), classes.astype(np.int64)

    probabilities = model.model.probabilities(rows[column].tolist()) if model is not None else None
    return Candidates(len(rows), vectors_at, probabilities, labelled)


def _taught(paths: Paths, column: str) -> pd.DataFrame:
    """A sample of the records that taught the present model; none before the first training."""
    file = paths.stage("split") / "train.parquet"
    if not file.is_file():
        return pd.DataFrame({name: pd.Series(dtype="str") for name in ("record_id", column, "label")})
    return storage.read_table(file, ["record_id", column, "label"]).head(LABELLED_SAMPLE)


def _tell(recipe: Recipe, paths: Paths, done: state.Round, added: int, address: str) -> None:
    why = pd.Series([task["data"].get("why") for task in done.tasks]).value_counts()
    domains = pd.Series([task["data"].get("domain") or "(none)" for task in done.tasks]).value_counts()
    parts = [
        f"Round {done.number}: {len(done.tasks):,} records, {recipe.label.budget:,} answers. Label at {address}",
        table(("chosen by", "records"), [(str(name), f"{count:,}") for name, count in why.items()]),
        table(("domain", "records"), [(str(name), f"{count:,}") for name, count in domains.items()]),
    ]
    storage.write_text(paths.labelling / "card.md", "\n\n".join(part.rstrip() for part in parts) + "\n")
    print(f"round {done.number}: {added:,} of {len(done.tasks):,} tasks added ({done.strategy})", flush=True)
    print(f"label at {address}", flush=True)
