"""Rows of a source as records: our columns, and an identity from the content alone."""

from collections.abc import Sequence

import pandas as pd

from tasks.collect.columns import checked, mapped, times
from tasks.collect.reading import Part
from tasks.errors import RecipeError, SourceError
from tasks.recipe import RecordSource
from tasks.records import CONTENT_COLUMN, record_id

KNOWN = ("text", "key", "group", "domain", "happened_at")
"""What a record source's `columns` may name."""


def records_of(source: RecordSource, parts: Sequence[Part]) -> pd.DataFrame:
    """One record a row, in the source's order, duplicates included.

    Columns: record_id, text, source, source_key, domain, group, happened_at (UTC microseconds).
    Raises RecipeError or SourceError: a wrong `columns`, a missing column, a time that is none, a key that names two texts.
    """
    columns = checked(source.columns, KNOWN, source.name)
    if CONTENT_COLUMN["classify_text"] not in columns:
        raise RecipeError(f"{source.name}.columns: text is missing; say which column holds the text")
    tables = [_records(source, part.name, mapped(part, columns, KNOWN)) for part in parts]
    records = pd.concat(tables, ignore_index=True)
    _refuse_ambiguous_keys(records, source)
    return records


def record_ids(texts: pd.Series) -> pd.Series:
    """The record's identity of each text; each distinct text is hashed once."""
    found = {text: record_id(text) for text in texts.unique()}
    return texts.map(found).astype("str")


def _records(source: RecordSource, name: str, cells: pd.DataFrame) -> pd.DataFrame:
    texts = cells["text"].fillna("").astype("str")
    domain = cells["domain"] if source.domain is None else cells["domain"].fillna(source.domain)
    columns = {
        "record_id": record_ids(texts),
        "text": texts,
        "source": pd.Series(source.name, index=cells.index, dtype="str"),
        "source_key": cells["key"],
        "domain": domain,
        "group": cells["group"],
        "happened_at": times(cells["happened_at"], name),
    }
    return pd.DataFrame(columns)


def _refuse_ambiguous_keys(records: pd.DataFrame, source: RecordSource) -> None:
    keyed = records.dropna(subset=["source_key"]).drop_duplicates(["source_key", "record_id"])
    twice = keyed.loc[keyed["source_key"].duplicated(), "source_key"]
    if len(twice):
        raise SourceError(
            f"{source.name}: key {twice.iloc[0]!r} names two different texts; choose a column that is unique"
        )
