"""Rows of a source as label rows, joined to their records."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tasks import tombstones
from tasks.annotations import OWN_COLUMNS
from tasks.collect import classify_image, classify_text
from tasks.collect.columns import checked, mapped, numbers, places, times
from tasks.collect.reading import Part
from tasks.errors import RecipeError, SourceError
from tasks.recipe import Column, LabelSource
from tasks.records import CONTENT_COLUMN

CONTENTS = {
    CONTENT_COLUMN["classify_text"]: classify_text.contents,
    CONTENT_COLUMN["classify_image"]: classify_image.contents,
}
"""How a content becomes its record's identity, by the column that holds it."""

FINDERS = ("record_id", "key", *CONTENTS)
"""The columns that find a label's record; a source has one of them."""

KNOWN = ("label", "annotator", "labelled_at", "seconds", *FINDERS)
"""What a label source's `columns` may name."""


@dataclass(frozen=True)
class Known:
    """The records that labels may speak of: all ids, and for each record source its keys' ids."""

    record_ids: frozenset[str]
    by_key: dict[str, dict[str, str]]
    complete: bool = True
    """Whether every record is here; under a `limit` labels of others are left out without a word."""
    marks: frozenset[str] = frozenset()
    """Of forgotten records (see tasks.tombstones), whose labels are left out without a word too."""


@dataclass(frozen=True)
class LabelRows:
    """The label rows of one source, how many rows it had, and notes on the ones that were refused."""

    table: pd.DataFrame
    rows_read: int
    refused: tuple[str, ...]


def label_rows(source: LabelSource, parts: Sequence[Part], known: Known) -> LabelRows:
    """One label a row: record_id, annotator, label, labelled_at (UTC), seconds, source; an unnamed rater stays null.

    Rows without a label are refused. Raises RecipeError or SourceError: wrong `columns`, a missing column,
    a label whose record is unknown, a list that is none, no label at all.
    """
    found = [_labels(source, part, known) for part in parts]
    refused = tuple(f"{part.name}, {note}" for part in parts for note in part.refused)
    unlabelled = tuple(note for _, notes in found for note in notes)
    table = pd.concat([table for table, _ in found], ignore_index=True)
    if table.empty and (refused or unlabelled):
        raise SourceError(f"{source.name}: has no label at all ({(*refused, *unlabelled)[0]})")
    return LabelRows(table, len(table), (*refused, *unlabelled))


def _labels(source: LabelSource, part: Part, known: Known) -> tuple[pd.DataFrame, list[str]]:
    """The label rows of one file, and a note on its rows without a label."""
    columns = _columns(source, part)
    cells = mapped(part, columns, KNOWN)
    finder = next(name for name in FINDERS if name in columns)
    blank = cells["label"].isna()
    notes = [f"{part.name}, {places(cells.loc[blank, finder])}: no label"] if blank.any() else []
    labels = _found(source, part.name, cells[~blank], finder, known)
    times_and_costs = {
        "labelled_at": times(labels["labelled_at"], part.name),
        "seconds": numbers(labels["seconds"], part.name),
    }
    table = labels.assign(**times_and_costs, source=pd.Series(source.name, index=labels.index, dtype="str"))
    spread = _spread(table, part.name) if source.many else table
    return (_named(spread, source.names, part.name) if source.names else spread), notes


def _columns(source: LabelSource, part: Part) -> dict[str, Column]:
    """The declared columns. Label Studio's export brings its own, and record_id or text in its tasks' data."""
    wanted = dict(source.columns)
    if source.format == "label_studio":
        wanted.update({name: name for name in OWN_COLUMNS})
        if not set(wanted) & set(FINDERS):
            finder = "record_id" if "record_id" in part.rows.columns else "text"
            wanted[finder] = finder
    columns = checked(wanted, KNOWN, source.name)
    finders = [name for name in FINDERS if name in columns]
    if "label" not in columns:
        raise RecipeError(f"{source.name}.columns: label is missing; say which column holds the label")
    if len(finders) != 1:
        raise RecipeError(f"{source.name}.columns: one of {', '.join(FINDERS)} finds the record, not {finders}")
    if finders == ["key"] and source.of is None:
        raise RecipeError(f"{source.name}: has a key but no `of`; say which record source the key belongs to")
    return columns


def _found(source: LabelSource, name: str, cells: pd.DataFrame, finder: str, known: Known) -> pd.DataFrame:
    """The cells with their record's id. Raises SourceError when a record is not there."""
    ids = cells["record_id"]
    if finder in CONTENTS:
        ids = CONTENTS[finder](cells[finder])["record_id"]
    elif finder == "key":
        ids = cells["key"].map(known.by_key.get(source.of or "", {})).astype("str")
    there = ids.isin(known.record_ids)
    named = cells["key"].map(lambda key: tombstones.keyed(source.of or "", key)) if finder == "key" else ids
    lost = ~there & ~tombstones.forgotten(named, known.marks)
    if known.complete and lost.any():
        where = f"source {source.of!r}" if finder == "key" else "the records"
        raise SourceError(f"{name}, {places(cells.loc[lost, finder])}: no such record in {where}; check `{finder}`")
    return cells.assign(record_id=ids)[["record_id", "annotator", "label", "labelled_at", "seconds"]][there]


def _spread(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row for each item of the JSON list in `label`. Raises SourceError that names the first cell that is none."""
    lists = [_items(cell) for cell in table["label"]]
    wrong = pd.Series([items is None for items in lists], index=table.index, dtype="bool")
    if wrong.any():
        raise SourceError(f"{name}, {places(table.loc[wrong, 'label'])} is no JSON list of labels, such as [1, 0, -2]")
    filled = [items or [] for items in lists]
    rows = table.take([row for row, items in enumerate(filled) for _ in items])
    return rows.assign(label=pd.Series([item for items in filled for item in items], index=rows.index, dtype="str"))


def _named(table: pd.DataFrame, names: Sequence[str], name: str) -> pd.DataFrame:
    """The labels by the names that their numbers mean. Raises SourceError that names the first that means nothing."""
    meaning = {str(number): meant for number, meant in enumerate(names)}
    unknown = ~table["label"].isin(meaning)
    if unknown.any():
        where = places(table.loc[unknown, "label"])
        raise SourceError(f"{name}, {where}: is no number from 0 to {len(names) - 1}, which `names` gives a name")
    return table.assign(label=table["label"].map(meaning).astype("str"))


def _items(cell: str) -> list[str] | None:
    """The labels in a JSON list, numbers as they are written, or None when the cell is no such list."""
    try:
        items = json.loads(cell, parse_int=str, parse_float=str)
    except ValueError:
        return None
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else None
