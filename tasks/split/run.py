"""The split stage: labelled records to train, validation and test."""

import importlib

import pandas as pd

from tasks import hash_split, storage
from tasks.groups import group_keys
from tasks.paths import Paths
from tasks.recipe import Recipe, Split
from tasks.split import by_source, by_time
from tasks.split.card import card
from tasks.split.leaks import refuse_leaks

SPLITS = ("train", "validation", "test")


def run(recipe: Recipe, paths: Paths) -> None:
    """Write train.parquet, validation.parquet, test.parquet and card.md from valid records and their consensus.

    Raises PromiseError, and writes nothing, when the splits leak.
    """
    records = storage.read_table(paths.stage("validate") / "records.parquet")
    consensus = storage.read_table(paths.stage("annotate") / "consensus.parquet")
    labelled = records.merge(consensus, on="record_id", how="inner").sort_values("record_id", ignore_index=True)
    keys = group_keys(labelled)
    splits, how = decided(labelled, keys, recipe.split)
    kind = importlib.import_module(f"tasks.split.{recipe.kind}")
    refuse_leaks(labelled["record_id"], splits, {"group": keys, kind.SAME: kind.same(labelled)})
    parts = {name: labelled[splits == name].reset_index(drop=True) for name in SPLITS}
    folder = paths.stage("split")
    for name, part in parts.items():
        storage.write_table(folder / f"{name}.parquet", part)
        print(f"{name}: {len(part):,} rows")
    storage.write_text(folder / "card.md", card(parts, recipe.labels.classes, how, len(records) - len(labelled)))


def decided(labelled: pd.DataFrame, keys: pd.Series, split: Split) -> tuple[pd.Series, str]:
    """The split of each row, and a sentence on how it was decided."""
    if split.by == "hash":
        return hash_split.by_hash(keys, split), hash_split.described(split)
    if split.by == "source":
        return by_source.by_source(labelled["source"], keys, split), by_source.described(split)
    latest = by_time.latest_times(keys, labelled["happened_at"])
    bounds = by_time.boundaries(latest, split)
    return by_time.by_time(latest, bounds), by_time.described(latest, bounds, split)
