"""Ask: the round that has landed goes to people, after the claim that its labels will test is in the ledger."""

import math

import pandas as pd

from tasks import champion as champions
from tasks import ledger, tides
from tasks.label import by_file
from tasks.label.gather import of_round
from tasks.label.pool import prepared
from tasks.label.push import ensured_project, push, tasks_of
from tasks.label.studio import projects
from tasks.label.studio.connection import connected
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.tides import Standing, note, standing, stop


def run(recipe: Recipe, paths: Paths) -> None:
    """Enter the question into the ledger, once, and bring its records to people; whatever was cut off is completed.

    Raises ServerError when Label Studio does not answer.
    """
    now = standing(ledger.entries(paths.home, recipe.name))
    if now.next not in ("ask", "wait"):
        return
    records = asked(recipe, paths, now)
    if records.empty:
        if now.next == "ask" and len(of_round(paths, now)):
            stop(paths.home, recipe.name, now, "each record of the round says nearly the same as one that is labelled")
        return
    if now.next == "ask":
        note(paths.home, recipe.name, "question", now, question(recipe, records, now))
    print(f"{len(records):,} records asked, {_brought(recipe, paths, now, records)}", flush=True)


def asked(recipe: Recipe, paths: Paths, now: Standing) -> pd.DataFrame:
    """The round's records as people see them, with why each was chosen; near copies of known ones are gone."""
    return prepared(recipe, paths).merge(of_round(paths, now), on="record_id")


def question(recipe: Recipe, records: pd.DataFrame, now: Standing) -> dict[str, object]:
    """How many are asked, for how many answers, and the claim that the next verdict tests, made before any label."""
    label = recipe.label
    claim = {
        "slice": tides.domain(now.tide),
        "metric": recipe.gate.metric,
        "alpha": recipe.gate.alpha,
        "against": now.drift.version if now.drift else None,
    }
    words = f"is a retrained version better than {recipe.name}@{claim['against']} in {claim['slice']}?"
    return {
        "reason": f"{len(records)} records asked: {words}",
        "records": len(records),
        "answers": math.ceil(len(records) * (1 + label.overlap_share * (label.overlap - 1))),
        "chosen": {str(why): int(count) for why, count in records["why"].value_counts().items()},
        "hypothesis": claim,
    }


def _brought(recipe: Recipe, paths: Paths, now: Standing, records: pd.DataFrame) -> str:
    """Where people find them now."""
    mixed = records.sort_values("record_id", ignore_index=True)  # by a hash: people who stop early did a share of each
    if recipe.loop.ask == "file":
        return f"fill in {by_file.written(paths, now, mixed)}"
    champion = champions.champion(recipe.name, recipe.threads)
    with connected() as studio:
        project = ensured_project(studio, recipe)
        push(studio, project, tasks_of(mixed, recipe, champion))
        return f"label at {projects.page(studio, project)}"
