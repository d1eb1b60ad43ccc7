"""Stage prepare: the raw shards of a recipe become one table of clean records."""

from pathlib import Path

import pandas as pd

from tasks.errors import TidemillError
from tasks.paths import Paths
from tasks.prepare.card import card
from tasks.prepare.clean_records import clean_records
from tasks.prepare.duplicates import sifted
from tasks.prepare.personal_data import actions_by_kind
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
    wanted = recipe.prepare.personal_data
    raw = arrived(paths.raw)
    with progress("cleaning texts", len(raw)) as report:
        records = clean_records(raw, wanted, report)
    with progress("comparing texts", len(raw)) as report:
        kept, dropped = sifted(records, recipe.prepare.near_duplicate_similarity, report)
    folder = paths.stage("prepare")
    write_table(folder / "records.parquet", kept)
    write_table(folder / "dropped.parquet", dropped)
    write_text(folder / "card.md", card(kept, dropped, actions_by_kind(wanted)))
    print(f"{len(raw):,} records arrived, {len(kept):,} kept, {len(dropped):,} dropped")
