"""Which records were forgotten for good: `data/forgotten.json`, which git keeps, holds salted hashes and nothing else.

A source that still has such a record does not bring it back: collect leaves out what bears one of these marks.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tasks import storage
from tasks.errors import TidemillError

SALT = "tidemill forgotten:"
"""A record's id is the hash of its text; with salt, the list is no list of ids that somebody else may know."""


def file(root: Path) -> Path:
    """Where the project keeps its marks."""
    return root / "data" / "forgotten.json"


def mark(value: str) -> str:
    """Hexadecimal sha256 of the salted value: a record's id, or `keyed` of its source."""
    return hashlib.sha256(f"{SALT}{value}".encode()).hexdigest()


def keyed(source: str, key: str) -> str:
    """A record as its source names it: label rows may speak of a forgotten record by its key alone."""
    return f"{source}:{key}"


def read(root: Path) -> frozenset[str]:
    """The marks of all that was forgotten in this project. Raises TidemillError when the file is damaged."""
    path = file(root)
    if not path.is_file():
        return frozenset()
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8"))["marks"])
    except (ValueError, KeyError, TypeError) as error:
        raise TidemillError(
            f"{path}: is damaged ({error}); take it back with: git checkout {path.relative_to(root)}"
        ) from error


def add(root: Path, marks: Iterable[str]) -> None:
    """Keep these marks beside those that are there."""
    storage.write_json(file(root), {"marks": sorted(read(root) | set(marks))})


def forgotten(values: "pd.Series[str]", marks: frozenset[str]) -> "pd.Series[bool]":
    """Whether each value bears one of the marks."""
    if not marks:
        return pd.Series(False, index=values.index, dtype="bool")
    return values.map(lambda value: mark(str(value)) in marks).astype("bool")
