"""The pool: prepared records that have too few labels, and are with nobody to be labelled."""

from collections.abc import Collection

import pandas as pd

from tasks import shards, storage
from tasks.errors import TidemillError
from tasks.label_rows import newest_answers
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN


def pool(records: pd.DataFrame, labelled: pd.Series, asked: Collection[str], enough: int) -> pd.DataFrame:
    """The records with fewer than `enough` label rows (`labelled`: a record_id a row) that were not asked about."""
    counts = labelled.value_counts()
    satisfied = set(counts[counts >= enough].index)
    known = records["record_id"].isin(satisfied) | records["record_id"].isin(set(asked))
    return records[~known].reset_index(drop=True)


def candidates(records: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many of the records: those with the lowest ids, which are hashes and so a fair sample."""
    lowest = records["record_id"].sort_values().index[:most]
    return records.loc[lowest.sort_values()].reset_index(drop=True)


def prepared(recipe: Recipe, paths: Paths) -> pd.DataFrame:
    """The prepared records (personal data masked, near duplicates gone). Raises TidemillError when there are none."""
    file = paths.stage("prepare") / "records.parquet"
    if not file.is_file():
        raise TidemillError(f"{file}: is missing; make it with: dvc repro prepare@{recipe.name}")
    return storage.read_table(file)


def labelled_ids(paths: Paths) -> pd.Series:
    """The record_id of every answer that counts."""
    return newest_answers(shards.landed(paths.labels, shards.LABEL_KEY))["record_id"]


def nothing_left(recipe: Recipe, n_records: int, n_asked: int) -> str:
    """What to do when the pool is empty."""
    content = CONTENT_COLUMN[recipe.kind]
    return (
        f"{recipe.name}: each of its {n_records:,} records has {recipe.label.enough} label or more, or is in Label Studio"
        f" already ({n_asked:,}); records without labels come in by a source that has none: add one to `sources` in"
        f' recipes/{recipe.name}.yaml, such as {{name: new, url: "file:new.csv", columns: {{{content}: {content}}}}}'
    )
