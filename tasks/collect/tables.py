"""Bytes as tables of text cells; each row's index says where it stands, for messages."""

import csv
import datetime as dt
import io
import json
import math
import mimetypes
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from tasks.errors import SourceError
from tasks.images import data_uri
from tasks.recipe import Table

_SHOWN_FAULTS = 3


def decoded(content: bytes, encoding: str) -> str:
    """The text, without a byte-order mark. Raises SourceError that names line, byte and what to set."""
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        raise SourceError(f"encoding {encoding!r} is unknown; write utf-8, latin-1, cp1252 …") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{content[error.start]:02x}" if error.start < len(content) else "the end"
        raise SourceError(f"line {line}: {wrong} is no {encoding}; set `encoding` (latin-1, cp1252 …)") from error


def csv_table(content: bytes, source: Table) -> pd.DataFrame:
    """The rows of a CSV (RFC 4180: a quoted cell may hold commas and line breaks)."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(decoded(content, source.encoding), newline=""), strict=True)
    lines, rows, start = [], [], 1
    try:
        for row in reader:
            if row:
                lines.append(start)
                rows.append(row)
            start = reader.line_num + 1
    except csv.Error as error:
        raise SourceError(f"line {start}: is no valid CSV ({error}); a quote inside a cell is written twice") from error
    return _rectangular(rows, lines, source)


def tsv_table(content: bytes, source: Table) -> pd.DataFrame:
    """The rows of a TSV; quotes are letters like all others."""
    split = decoded(content, source.encoding).split("\n")
    numbered = [(number, line.removesuffix("\r")) for number, line in enumerate(split, 1)]
    filled = [(number, line) for number, line in numbered if line]
    return _rectangular([line.split("\t") for _, line in filled], [number for number, _ in filled], source)


def jsonl_table(content: bytes, source: Table) -> pd.DataFrame:
    """The rows of JSON lines, one object each."""
    split = decoded(content, source.encoding).split("\n")
    numbered = [(number, line) for number, line in enumerate(split, 1) if line.strip()]
    found = {number: _parsed(line, f"line {number}") for number, line in numbered}
    wrong = next((number for number, row in found.items() if not isinstance(row, dict)), None)
    if wrong is not None:
        raise SourceError(f'line {wrong}: is no JSON object; each line is one, such as {{"text": "…"}}')
    return table_of(list(found.values()), pd.Index(list(found), name="line"))


def json_table(content: bytes, source: Table) -> pd.DataFrame:
    """The rows of a JSON file: one object, or a list of objects."""
    value = _parsed(decoded(content, source.encoding), "the file")
    rows = value if isinstance(value, list) else [value]
    wrong = next((number for number, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    if wrong is not None:
        raise SourceError(f"item {wrong}: is no JSON object")
    return table_of(rows, pd.RangeIndex(1, len(rows) + 1, name="item"))


def parquet_table(content: bytes, _source: Table) -> pd.DataFrame:
    """The rows of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"is no readable Parquet ({str(error).splitlines()[0]}); it may be cut short") from error
    cells = {name: [text_of(value) for value in table[name].to_pylist()] for name in table.column_names}
    return pd.DataFrame(cells, index=pd.RangeIndex(1, table.num_rows + 1, name="row"), dtype="str")


READERS: dict[str, Callable[[bytes, Table], pd.DataFrame]] = {
    "csv": csv_table,
    "tsv": tsv_table,
    "jsonl": jsonl_table,
    "json_files": json_table,
    "parquet": parquet_table,
}
"""How the content of one file becomes rows, by `format`."""


def table_of(rows: Sequence[Mapping[str, Any]], index: pd.Index) -> pd.DataFrame:
    """Objects as rows of text cells; a key that an object lacks is null."""
    names = dict.fromkeys(name for row in rows for name in row)
    cells = {name: [text_of(row.get(name)) for row in rows] for name in names}
    return pd.DataFrame(cells, index=index, columns=list(names), dtype="str")


def text_of(value: Any) -> str | None:
    """A cell as text: numbers as Python writes them, times in ISO 8601, lists and objects as JSON, images as data URI."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return _text_of_bytes(value)
    if isinstance(value, list | tuple | dict):
        return _text_of_nested(value)
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _text_of_nested(value: Any) -> str:
    """JSON, or the image where it is one as Hugging Face's datasets keep it."""
    if isinstance(value, dict) and value.keys() == {"bytes", "path"} and isinstance(value["bytes"], bytes):
        return _text_of_bytes(value["bytes"], value["path"])
    return json.dumps(value, ensure_ascii=False, default=text_of)


def _text_of_bytes(value: bytes, path: str | None = None) -> str:
    """Text where the bytes are UTF-8, else a `data:` URI (images); a path's ending tells the media type."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return data_uri(value, mimetypes.guess_type(path)[0] if path else None)


def _parsed(text: str, where: str) -> Any:
    """A JSON value whose numbers stay as they are written."""
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except ValueError as error:
        raise SourceError(f"{where}: is no valid JSON ({error})") from error


def _rectangular(rows: list[list[str]], lines: list[int], source: Table) -> pd.DataFrame:
    """Rows of equal length as a table; the first one names the columns when the source has a header."""
    if not rows:
        return pd.DataFrame()
    width = len(rows[0])
    wrong = [(line, len(row)) for line, row in zip(lines, rows, strict=True) if len(row) != width]
    if wrong:
        shown = ", ".join(f"line {line} has {fields}" for line, fields in wrong[:_SHOWN_FAULTS])
        more = f" and {len(wrong) - _SHOWN_FAULTS} more lines" if len(wrong) > _SHOWN_FAULTS else ""
        raise SourceError(f"{shown}{more}; every line should have {width} fields, as line {lines[0]} has")
    if not source.header:
        return _framed(rows, [str(position) for position in range(width)], lines)
    twice = next((name for name in rows[0] if rows[0].count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"line {lines[0]}: names column {twice!r} twice")
    return _framed(rows[1:], rows[0], lines[1:])


def _framed(rows: list[list[str]], names: list[str], lines: Iterable[int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=names, index=pd.Index(list(lines), name="line", dtype="int64"), dtype="str")
