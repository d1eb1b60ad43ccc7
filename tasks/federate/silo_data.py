"""A silo's records: read at home, hashed for the lineage, encoded once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import storage
from tasks.errors import PromiseError, SourceError
from tasks.federate import array_file
from tasks.federate.encoder import encoded
from tasks.federate.head import Encoded

PARTS = ("train", "validation", "test")
BOUNDS = (70, 80)
"""Of a hundred buckets: below the first train, below the second validation, else test."""


@dataclass(frozen=True)
class Records:
    """The tables (columns text, label) of each part, and the sha256 of all of it."""

    parts: dict[str, pd.DataFrame]
    sha256: str


def read(folder: Path, classes: tuple[str, ...]) -> Records:
    """The records in a folder of Parquet files with the columns `text` and `label`.

    Files named train, validation and test (a silo may lack the last) are these parts; else all rows together are put
    into parts by the hash of their text. Raises SourceError or PromiseError that names file and fault.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise SourceError(f"{folder}: holds no Parquet file; a silo needs columns text and label")
    tables = {file.stem: _table(file) for file in files}
    if {"train", "validation"} <= tables.keys():
        parts = {part: tables[part] if part in tables else next(iter(tables.values())).head(0) for part in PARTS}
    else:
        parts = _split(pd.concat(tables.values(), ignore_index=True).drop_duplicates("text"))
    _require_known(parts, classes, folder)
    return Records(parts, _sha256(parts))


def _table(file: Path) -> pd.DataFrame:
    return storage.read_table(file, columns=["text", "label"]).dropna(ignore_index=True)


def _split(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    buckets = table["text"].map(lambda text: int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100)
    numbers = np.digitize(buckets, BOUNDS)
    return {part: table[numbers == number].reset_index(drop=True) for number, part in enumerate(PARTS)}


def _require_known(parts: dict[str, pd.DataFrame], classes: tuple[str, ...], folder: Path) -> None:
    unknown = sorted({str(label) for table in parts.values() for label in table["label"]} - set(classes))
    if unknown:
        raise PromiseError(f"{folder}: has labels {unknown[:5]}, and the plan's classes are {list(classes)}")
    if parts["train"].empty or parts["validation"].empty:
        raise PromiseError(f"{folder}: has too few records: some to train on and some to validate with are needed")


def _sha256(parts: dict[str, pd.DataFrame]) -> str:
    digest = hashlib.sha256()
    for part in PARTS:
        table = parts[part]
        for line in sorted(
            f"{part}\t{label}\t{text}" for text, label in zip(table["text"], table["label"], strict=True)
        ):
            digest.update(hashlib.sha256(line.encode()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Coding:
    """Everything but the records that encoded records follow from."""

    base_model: Path
    base_sha256: str
    max_tokens: int
    classes: tuple[str, ...]
    threads: int


def states(records: Records, coding: Coding, home: Path) -> dict[str, Encoded]:
    """Every part encoded, kept in `home` for the next round."""
    key = hashlib.sha256(f"{records.sha256} {coding.base_sha256} {coding.max_tokens}".encode()).hexdigest()
    file = home / f"encoded-{key[:16]}.safetensors"
    found = array_file.load(file)
    if found is None:
        made = {part: _states(table, coding) for part, table in records.parts.items()}
        array_file.save(file, made)
        found = made, None
    index = pd.Index(coding.classes)
    return {p: Encoded(found[0][p], index.get_indexer(pd.Index(t["label"]))) for p, t in records.parts.items()}


def _states(table: pd.DataFrame, coding: Coding) -> NDArray[np.float32]:
    return encoded(table["text"].tolist(), coding.base_model, coding.max_tokens, coding.threads)
