"""Stage prepare: the raw shards of a recipe become one table of clean records."""

import importlib
from pathlib import Path

import pandas as pd

from tasks.errors import TidemillError
from tasks.paths import Paths
from tasks.progress import progress
from tasks.recipe import Recipe
from tasks.storage import read_table, write_table, write_text


def arrived(raw: Path) -> pd.DataFrame:
    """The records of all shards in order of arrival. Raises TidemillError when there is no shard."""
    shards = sorted(raw.glob("*.parquet"))
    if not shards:
        raise TidemillError(f"{raw}: holds no record shards; collect some first: tidemill collect {raw.parent.name}")
    return pd.concat([read_table(shard) for shard in shards], ignore_index=True)


def run(recipe: Recipe, paths: Paths) -> None:
    """Write records.parquet, dropped.parquet and card.md."""
    kind = importlib.import_module(f"tasks.prepare.{recipe.kind}")
    raw = arrived(paths.raw)
    with progress("cleaning records", len(raw)) as report:
        records = kind.cleaned(raw, recipe.prepare, report)
    with progress("comparing records", len(raw)) as report:
        kept, dropped = kind.compared(records, recipe.prepare, report)
    folder = paths.stage("prepare")
    write_table(folder / "records.parquet", kept)
    write_table(folder / "dropped.parquet", dropped)
    write_text(folder / "card.md", kind.card(kept, dropped, recipe.prepare))
    print(f"{len(raw):,} records arrived, {len(kept):,} kept, {len(dropped):,} dropped")
