"""Silos on this machine, one for each domain or source of the recipe's records."""

import re
from pathlib import Path

import pandas as pd

from tasks import storage
from tasks.errors import PromiseError
from tasks.federate import rules
from tasks.federate.rules import Rules
from tasks.federate.silo_data import PARTS
from tasks.paths import Paths


def homes(folder: Path, by: str, paths: Paths) -> dict[str, Path]:
    """The home of each silo by its name, its records in `data/` and its rules beside them.

    Raises PromiseError when there are fewer than two.
    """
    tables = {part: _table(paths, part, by) for part in PARTS}
    names = sorted(set(tables["train"][by]) & set(tables["validation"][by]))
    if len(names) < 2:  # noqa: PLR2004 (a federation is more than one)
        raise PromiseError(f"federate.silos: by {by} there is {len(names)} silo with records, and two are needed")
    return {safe(name): _home(folder / safe(name), tables, by, name, paths) for name in names}


def _table(paths: Paths, part: str, by: str) -> pd.DataFrame:
    return storage.read_table(paths.stage("split") / f"{part}.parquet", columns=["text", "label", by])


def _home(home: Path, tables: dict[str, pd.DataFrame], by: str, name: str, paths: Paths) -> Path:
    for part, table in tables.items():
        own = table.loc[table[by] == name, ["text", "label"]].reset_index(drop=True)
        storage.write_table(home / "data" / f"{part}.parquet", own)
    rules.write(home, Rules(safe(name), str(home / "data"), str(paths.base_model)))
    return home


def safe(name: str) -> str:
    """The name as a file name and a key."""
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_") or "silo"
