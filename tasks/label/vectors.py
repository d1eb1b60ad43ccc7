"""Contents as vectors, kept on disk: the same content is never read twice."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import storage
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN

Vectors = NDArray[np.float32]


def vectors(records: pd.DataFrame, recipe: Recipe, paths: Paths) -> Vectors:
    """A vector of length 1 for each record, in order, as the module of its kind makes them.

    Known vectors come from `.tidemill/embeddings`; new ones are added there.
    """
    kind = importlib.import_module(f"tasks.label.{recipe.kind}")
    file = paths.embeddings / f"{kind.mark(recipe, paths.base_model)}.parquet"
    known = _kept(file)
    new = records[~records["record_id"].isin(list(known))].drop_duplicates("record_id")
    if len(new):
        made = kind.vectors(new[CONTENT_COLUMN[recipe.kind]].tolist(), recipe, paths.base_model)
        known |= dict(zip(new["record_id"], made, strict=True))
        storage.write_table(file, pd.DataFrame({"record_id": list(known), "vector": list(known.values())}))
    return np.stack([known[name] for name in records["record_id"]]) if len(records) else np.zeros((0, 1), np.float32)


def _kept(file: Path) -> dict[str, Vectors]:
    """The known vectors by record_id."""
    if not file.is_file():
        return {}
    table = storage.read_table(file)
    return dict(zip(table["record_id"], table["vector"], strict=True))
