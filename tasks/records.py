"""The tables' columns and types, and the identity of a record."""

import hashlib
import unicodedata

import pandas as pd

CONTENT_COLUMN = {"classify_text": "text"}
"""The column that holds a record's content, by kind."""

RECORD_COLUMNS = ("record_id", "source", "source_key", "domain", "group", "happened_at", "collected_at")
"""Beside the content column. `source_key` is the row's own id in its source, for joining labels."""

LABEL_COLUMNS = ("record_id", "annotator", "label", "labelled_at", "seconds")
"""Label rows. `label` is text (a class name, or a rating as written); annotator, time and seconds may be null."""

STUDIO, ADJUDICATED = "label_studio", "adjudication"
"""The sources of label rows that people gave in Label Studio: labelling, and the last word on what was in dispute."""

TIME_COLUMNS = ("happened_at", "collected_at", "labelled_at")


def normalised(text: str) -> str:
    """The text in Unicode NFC, control characters dropped, runs of white space made one blank, ends stripped."""
    composed = unicodedata.normalize("NFC", text)
    visible = (c if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs") else "" for c in composed)
    return " ".join("".join(visible).split())


def record_id(text: str) -> str:
    """sha256 (hexadecimal) of the normalised text in UTF-8: the record's identity everywhere."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """A copy with the time columns as UTC microseconds and the others left as they are."""
    present = [column for column in TIME_COLUMNS if column in table]
    times = {column: pd.to_datetime(table[column], utc=True).astype("datetime64[us, UTC]") for column in present}
    return table.assign(**times)
