"""Gather: the contents of a drifted window that people will be asked about land as records, and no others.

A round has two parts. The *exam* is drawn at random from the window, among the records whose hash puts them into test or
validation: a fair sample of the new traffic, since a hash knows nothing of what it hashes. What teaches is chosen by
`loop.strategy` among the others. So no hard record that a strategy picked ever tests, and no label is lost.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from tasks import champion as champions
from tasks import dvc_repo, ledger, shards, tides
from tasks.errors import TidemillError
from tasks.label.choose import Chosen, affordable, in_training, picked, usable
from tasks.label.corrections import record_table
from tasks.label.drifted_pool import CORRECTED, drifted_pool
from tasks.label.pool import candidates
from tasks.label.run import looked_at
from tasks.ledger import Entry
from tasks.locks import alone
from tasks.manifests import Reading
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.tides import Standing, standing, stop

EXAM = "exam"
LEAST = 10
"""Records that are worth a round."""

CORRECTED_SHARE = 0.5
"""Of the records that teach, at most, are those that users have corrected: they are all errors."""


def run(recipe: Recipe, paths: Paths) -> None:
    """Land the next round of the open tide; end the tide instead when its budget or its rounds are used up.

    Raises TidemillError when the recipe or the traffic log cannot give such a round, BusyError beside a collect.
    """
    history = ledger.entries(paths.home, recipe.name)
    now = standing(history)
    if now.next != "ask":
        return
    require_possible(recipe)
    with alone(paths):
        shards.remove_unfinished(paths.raw)
        if len(landed := of_round(paths, now)):
            print(f"{tides.domain(now.tide)}, round {now.round}: its {len(landed):,} records have landed before")
        elif reason := over(recipe, history, now):
            stop(paths.home, recipe.name, now, reason)
        else:
            _land(recipe, paths, now, chosen(recipe, paths, history, now))
        # Also when they landed before: an earlier run may have been killed between the shard and this.
        dvc_repo.track(paths.root, [paths.raw], recipe.remote)


def require_possible(recipe: Recipe) -> None:
    """Raises TidemillError for a recipe whose loop could not be honest."""
    if recipe.kind == "classify_image" and recipe.loop.ask == "file":
        raise TidemillError(f"{recipe.name}: loop.ask is 'file', and a CSV shows no images; set loop.ask: studio")
    if recipe.split.by != "hash":
        raise TidemillError(
            f"{recipe.name}: split.by is {recipe.split.by!r}; the loop needs hash, where a record's place is known "
            "before its label, so that what is chosen teaches and only what is drawn at random tests"
        )


def over(recipe: Recipe, history: Sequence[Entry], now: Standing) -> str | None:
    """Why no further round is asked for, or None."""
    lost = tides.rounds_without_gain(history, now.tide)
    if lost >= recipe.loop.rounds_without_gain:
        return f"nothing gets better: {lost} rounds ended without a promotion (loop.rounds_without_gain)"
    left = recipe.loop.labels_per_month - tides.spent(history, datetime.now(UTC))
    if records_for(recipe, left) < LEAST:
        return f"the budget is spent: {max(left, 0)} of {recipe.loop.labels_per_month} labels a month are left (loop.labels_per_month)"
    return None


def records_for(recipe: Recipe, left: int) -> int:
    """How many records a round pays for when so many answers of the month are left; 0 for none."""
    budget = min(recipe.loop.labels_per_round, left)
    return affordable(recipe.label.model_copy(update={"budget": budget})) if budget > 0 else 0


def of_round(paths: Paths, now: Standing) -> pd.DataFrame:
    """record_id and why of the records that landed for the tide's round."""
    rows = shards.landed(paths.raw, ["record_id", "source", "source_key"])
    mine = rows[(rows["source"] == tides.TRAFFIC) & rows["source_key"].str.startswith(_key(now), na=False)]
    return mine.assign(why=mine["source_key"].str.split(":").str[1])[["record_id", "why"]].reset_index(drop=True)


def _key(now: Standing) -> str:
    return f"{now.tide}.{now.round}:"


def chosen(recipe: Recipe, paths: Paths, history: Sequence[Entry], now: Standing) -> Chosen:
    """The round's records (record_id, the content, happened_at, why) and the strategy that chose those that teach."""
    left = recipe.loop.labels_per_month - tides.spent(history, datetime.now(UTC))
    wanted = records_for(recipe, left)
    pool = drifted_pool(recipe, paths, now)
    rng = np.random.default_rng([recipe.seed, now.tide, now.round])
    teaches = in_training(pool, recipe.split)
    from_window = pool["why"] != CORRECTED
    exam = _drawn(pool[~teaches & from_window], round(wanted * recipe.loop.exam_share), rng).assign(why=EXAM)
    corrected = _drawn(pool[teaches & ~from_window], round((wanted - len(exam)) * CORRECTED_SHARE), rng)
    open_records = candidates(pool[teaches & from_window], recipe.label.candidates)
    champion = champions.champion(recipe.name, recipe.threads)
    loop = recipe.model_copy(update={"label": recipe.label.model_copy(update={"strategy": recipe.loop.strategy})})
    strategy = usable(loop, champion is not None)
    rest = wanted - len(exam) - len(corrected)
    taught = picked(open_records, strategy, rest, lambda rows: looked_at(rows, loop, paths, champion), rng)
    return Chosen(pd.concat([exam, corrected, taught.assign(why=strategy)], ignore_index=True), strategy)


def _drawn(pool: pd.DataFrame, wanted: int, rng: np.random.Generator) -> pd.DataFrame:
    return pool.iloc[rng.permutation(len(pool))[:wanted]]


def _land(recipe: Recipe, paths: Paths, now: Standing, round_of: Chosen) -> None:
    records = round_of.records
    if len(records) < LEAST:
        stop(paths.home, recipe.name, now, f"the drifted window has {len(records)} new records; a round needs {LEAST}")
        return
    collected = pd.Timestamp.now("UTC").floor("us")
    keys = [f"{_key(now)}{why}:{place}" for place, why in enumerate(records["why"])]
    whole = records.assign(source_key=keys, domain=tides.domain(now.tide), collected_at=collected)
    reading = Reading(
        name=tides.TRAFFIC,
        url="traffic:",
        member=f"{recipe.name}@{now.drift.version if now.drift else None}, {tides.domain(now.tide)}, round {now.round}",
        licence="own traffic",
        declaration="",
        sha256=None,
        size=None,
        modified_ns=None,
        rows_read=len(records),
        rows_new=len(records),
    )
    shards.land(paths.raw, record_table(whole.to_dict("records"), recipe.kind), [reading], collected)
    parts = ", ".join(f"{count} {name}" for name, count in records["why"].value_counts().items())
    print(
        f"{tides.domain(now.tide)}, round {now.round}: {len(records):,} records of the traffic landed ({parts})",
        flush=True,
    )
