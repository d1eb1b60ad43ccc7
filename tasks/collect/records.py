"""Rows of a source as records: our columns, and an identity from the content alone."""

import importlib
from collections.abc import Sequence

import pandas as pd

from tasks.collect.columns import checked, mapped, times
from tasks.collect.reading import Part
from tasks.errors import RecipeError, SourceError
from tasks.recipe import RecordSource
from tasks.records import CONTENT_COLUMN

KNOWN = ("key", "group", "domain", "happened_at")
"""What a record source's `columns` may name beside the content."""


def records_of(source: RecordSource, parts: Sequence[Part], kind: str) -> pd.DataFrame:
    """One record a row, in the source's order, duplicates included.

    Columns: record_id, the content's, source, source_key, domain, group, happened_at (UTC microseconds).
    Raises RecipeError or SourceError: a wrong `columns`, a missing column, a time that is none, a key that names two
    contents.
    """
    content = CONTENT_COLUMN[kind]
    known = (content, *KNOWN)
    columns = checked(source.columns, known, source.name)
    if content not in columns:
        raise RecipeError(f"{source.name}.columns: {content} is missing; say which column holds the {content}")
    tables = [_records(source, part.name, mapped(part, columns, known), kind) for part in parts]
    records = pd.concat(tables, ignore_index=True)
    _refuse_ambiguous_keys(records, source, content)
    return records


def _records(source: RecordSource, name: str, cells: pd.DataFrame, kind: str) -> pd.DataFrame:
    content = importlib.import_module(f"tasks.collect.{kind}").contents(cells[CONTENT_COLUMN[kind]])
    domain = cells["domain"] if source.domain is None else cells["domain"].fillna(source.domain)
    columns = {
        "source": pd.Series(source.name, index=cells.index, dtype="str"),
        "source_key": cells["key"],
        "domain": domain,
        "group": cells["group"],
        "happened_at": times(cells["happened_at"], name),
    }
    return pd.DataFrame({**content, **columns})


def _refuse_ambiguous_keys(records: pd.DataFrame, source: RecordSource, content: str) -> None:
    keyed = records.dropna(subset=["source_key"]).drop_duplicates(["source_key", "record_id"])
    twice = keyed.loc[keyed["source_key"].duplicated(), "source_key"]
    if len(twice):
        raise SourceError(
            f"{source.name}: key {twice.iloc[0]!r} names two different {content}s; choose a column that is unique"
        )
