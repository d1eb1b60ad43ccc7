"""The tables' columns and types, and the identity of a record."""

import hashlib
import unicodedata

import pandas as pd

CONTENT_COLUMN = {"classify_text": "text", "classify_image": "image"}
"""The column that holds a record's content, by kind."""

BESIDE_CONTENT = {"classify_text": (), "classify_image": ("media_type",)}
"""The columns that say how the content is to be read, by kind."""

RECORD_COLUMNS = ("record_id", "source", "source_key", "domain", "group", "happened_at", "collected_at")
"""Beside the content column. `source_key` is the row's own id in its source, for joining labels."""

LABEL_COLUMNS = ("record_id", "annotator", "label", "labelled_at", "seconds")
"""Label rows. `label` is text (a class name, or a rating as written), null where the answer of that annotator and time
was taken back; annotator, time and seconds may be null."""

STUDIO, ADJUDICATED = "label_studio", "adjudication"
"""The sources of label rows that people gave in Label Studio: labelling, and the last word on what was in dispute."""

CORRECTED = "corrections"
"""The source of what users of the endpoint said was right, records and label rows alike."""

TIME_COLUMNS = ("happened_at", "collected_at", "labelled_at")


def record_columns(kind: str) -> list[str]:
    """The columns of a record shard in their order."""
    identity, *others = RECORD_COLUMNS
    return [identity, CONTENT_COLUMN[kind], *BESIDE_CONTENT[kind], *others]


def normalised(text: str) -> str:
    """The text in Unicode NFC, control characters dropped, runs of white space made one blank, ends stripped."""
    composed = unicodedata.normalize("NFC", text)
    visible = (c if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs") else "" for c in composed)
    return " ".join("".join(visible).split())


def record_id(content: str | bytes) -> str:
    """sha256 (hexadecimal): of an image's bytes, of a normalised text in UTF-8; the record's identity everywhere."""
    plain = content if isinstance(content, bytes) else normalised(content).encode()
    return hashlib.sha256(plain).hexdigest()


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """A copy with the time columns as UTC microseconds and the others left as they are."""
    present = [column for column in TIME_COLUMNS if column in table]
    times = {column: pd.to_datetime(table[column], utc=True).astype("datetime64[us, UTC]") for column in present}
    return table.assign(**times)
