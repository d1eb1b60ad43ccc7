"""Test records with their evaluated answers, kept with a version: what its endpoint must answer for ever."""

import hashlib
import importlib
from pathlib import Path

import pandas as pd

from tasks import storage
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN

FILE = "probes.parquet"
SALT = "parity:"
"""Another salt would draw other rows."""
LONGEST_SHARE = 0.1
"""Of the probes: the longest contents, which alone show where a text is cut."""

LONGEST_CONTENT = 20_000
"""Characters (or bytes): eight of them fit into one request, escapes included. A model reads no more of a longer one."""


def probes(recipe: Recipe, paths: Paths) -> pd.DataFrame:
    """One row a probe: record_id, the content, the answer as evaluated, and the steps between (by kind)."""
    column, kind = CONTENT_COLUMN[recipe.kind], importlib.import_module(f"tasks.release.{recipe.kind}")
    test = storage.read_table(paths.stage("split") / "test.parquet", ["record_id", column])
    evaluated = storage.read_table(
        paths.stage("evaluate") / "predictions.parquet", ["record_id", *kind.evaluated_columns(recipe)]
    )
    drawn = chosen(test, column, recipe.gate.parity.probes)
    table = drawn.merge(evaluated, on="record_id", validate="one_to_one")
    return table.assign(**kind.steps(paths.stage("compress"), table[column].tolist()))


def chosen(test: pd.DataFrame, column: str, rows: int) -> pd.DataFrame:
    """At most `rows` of the test rows: the longest contents that one asks for, then those with the lowest salted hash."""
    asked = test[test[column].map(len) <= LONGEST_CONTENT]
    test = asked if len(asked) else test
    longest = test.loc[test[column].map(len).sort_values(ascending=False, kind="stable").index]
    first = longest.head(round(rows * LONGEST_SHARE))
    rest = test.drop(first.index)
    ranks = rest["record_id"].map(lambda name: hashlib.sha256(f"{SALT}{name}".encode()).hexdigest())
    others = rest.loc[ranks.sort_values(kind="stable").index[: rows - len(first)]]
    return pd.concat([first, others], ignore_index=True)


def write(recipe: Recipe, paths: Paths, folder: Path) -> None:
    """Put the probes of the present outputs beside the version's other artifacts."""
    storage.write_table(folder / FILE, probes(recipe, paths))
