"""What users of the endpoint said was right (POST /v1/feedback): its records and label rows, as far as they are new."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks import shards, tombstones
from tasks.label_rows import label_table, rating_within
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN, CORRECTED, record_columns, record_id, typed

Row = dict[str, Any]


@dataclass(frozen=True)
class Corrections:
    """What the queue holds and has not landed: records and label rows, how many lines it has, and notes on the refused."""

    records: pd.DataFrame
    labels: pd.DataFrame
    lines: int
    refused: tuple[str, ...]


def corrections(recipe: Recipe, paths: Paths) -> Corrections:
    """The whole queue against what has landed: reading it again brings nothing. Forgotten records stay away."""
    rows, refused = _told(paths.corrections, recipe)
    gone = tombstones.forgotten(pd.Series([row["record_id"] for row in rows], dtype="str"), tombstones.read(paths.root))
    kept = [row for row, away in zip(rows, gone, strict=True) if not away]
    labels = shards.new_labels(label_table(kept, CORRECTED), shards.landed(paths.labels, shards.LABEL_KEY))
    known = shards.landed(paths.raw, ["record_id"])["record_id"]
    return Corrections(shards.new_records(record_table(kept, recipe.kind), known), labels, len(rows), refused)


def record_table(rows: Sequence[Mapping[Any, Any]], kind: str) -> pd.DataFrame:
    """The rows in the columns of a record shard, typed; `collected_at` is not known yet."""
    columns = dict.fromkeys(record_columns(kind))
    table = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype="object") for name in columns})
    texts = [name for name in columns if name not in ("image", "happened_at", "collected_at")]
    return typed(table.astype(dict.fromkeys(texts, "str")))


def _told(path: Path, recipe: Recipe) -> tuple[list[Row], tuple[str, ...]]:
    """The corrections in the queue as rows of records and labels in one, and notes on the lines that are none."""
    rows, refused = [], []
    for number, line in lines(path):
        try:
            rows.append(_row(json.loads(line), recipe))
        except KeyError as error:
            refused.append(f"{path.name}, line {number}: has no {error}")
        except (ValueError, TypeError) as error:
            refused.append(f"{path.name}, line {number}: {error}")
    return rows, tuple(refused)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The whole lines by number; one that is being written has no end yet."""
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    yield from ((number, line.decode(errors="replace")) for number, line in enumerate(whole.splitlines(), 1) if line)


def _row(told: Row, recipe: Recipe) -> Row:
    """A correction as a row. Raises ValueError, KeyError or TypeError for what is none, or none of this recipe."""
    column = CONTENT_COLUMN[recipe.kind]
    content = _content(told[column], recipe.kind)
    at = pd.Timestamp(told["labelled_at"]).isoformat()
    return {
        **content,
        "record_id": record_id(content[column]),
        "source": CORRECTED,
        "domain": CORRECTED,
        "happened_at": at,
        "annotator": str(told["annotator"]),
        "label": _label(told, recipe),
        "labelled_at": at,
        "seconds": told.get("seconds"),
    }


def _content(given: Any, kind: str) -> Row:
    """The record's own columns, as its kind reads what the endpoint was given."""
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"{CONTENT_COLUMN[kind]} is empty")
    columns: Row = importlib.import_module(f"tasks.label.{kind}").content(given)
    return columns


def _label(told: Row, recipe: Recipe) -> str:
    """The class, or where labels are numbers the rating. Raises ValueError when the recipe knows no such label."""
    scheme = recipe.labels
    label = str(told["label"] if scheme.ratings is None else told["rating"])
    if scheme.ratings is not None and not rating_within(label, scheme.ratings):
        raise ValueError(f"{label!r} is no number from {scheme.ratings.low:g} to {scheme.ratings.high:g}")
    if scheme.ratings is None and label not in scheme.classes:
        raise ValueError(f"{label!r} is none of the classes {', '.join(scheme.classes)}")
    return label
