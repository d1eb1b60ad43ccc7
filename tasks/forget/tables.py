"""Parquet tables: which rows are of forgotten records, and the table without them."""

import io
import json
from typing import TYPE_CHECKING, Any

from tasks.forget.needles import redacted, spans
from tasks.forget.target import Hits, Target
from tasks.records import CONTENT_COLUMN, record_id

if TYPE_CHECKING:
    from mmap import mmap

    import pyarrow as pa

START = b"PAR1"
ID_COLUMNS = ("record_id", "of")
"""`of` is the record that a dropped one is a copy of."""

TEXT_COLUMNS = tuple(dict.fromkeys(CONTENT_COLUMN.values()))


def read(content: "bytes | mmap") -> "pa.Table | None":
    """The table, or None when it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A copy: Arrow would keep parts of a mapped file open.
        return pq.read_table(pa.BufferReader(bytes(content)))
    except (pa.ArrowInvalid, OSError):
        return None


def hits(table: "pa.Table", target: Target) -> Hits:
    """The rows of forgotten records, and passages of their texts in cells that are no record's own text."""
    ids = _row_ids(table, target)
    found = [name for name in ids if name is not None]
    passages = sum(len(spans(_cells(table.column(name)), target.needles)) for name in _other_columns(table))
    # A row that goes takes its passages with it: they are counted once.
    return Hits(frozenset(found) & target.ids, len(found), 0 if found else passages)


def texts(table: "pa.Table", ids: frozenset[str]) -> set[str]:
    """What stands in the text columns of these records' rows."""
    if "record_id" not in table.column_names:
        return set()
    rows = [row for row, name in enumerate(table.column("record_id").to_pylist()) if name in ids]
    columns = [table.column(name) for name in TEXT_COLUMNS if name in table.column_names]
    cells = [column[row].as_py() for column in columns for row in rows]
    return {cell for cell in cells if isinstance(cell, str)}


def without(table: "pa.Table", target: Target) -> "pa.Table":
    """The table without the rows of forgotten records, their passages in other cells replaced by a mark."""
    import pyarrow as pa

    ids = _row_ids(table, target)
    kept = table.filter(pa.array([name is None for name in ids], pa.bool_()))
    for name in _other_columns(kept):
        column = kept.column(name)
        if spans(_cells(column), target.needles):
            cells = [_redacted(cell, target) for cell in column.to_pylist()]
            kept = kept.set_column(kept.schema.get_field_index(name), name, pa.array(cells, column.type))
    return kept


def written(table: "pa.Table") -> bytes:
    """The table as Parquet (zstd), as `storage` writes it."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _row_ids(table: "pa.Table", target: Target) -> list[str | None]:
    """For each row the forgotten record that it is of, or None: by its ids, else by its text, else by a nested cell."""
    found: list[str | None] = [None] * table.num_rows
    for name in ID_COLUMNS:
        if name in table.column_names:
            _note(found, [cell if cell in target.ids else None for cell in table.column(name).to_pylist()])
    if "record_id" not in table.column_names:
        for name in TEXT_COLUMNS:
            if name in table.column_names:
                _note(found, [_text_id(cell, target) for cell in table.column(name).to_pylist()])
    for name in _nested_columns(table):
        column = table.column(name)
        if spans(_cells(column), target.needles):
            _note(found, [_nested_id(cell, target) for cell in column.to_pylist()])
    return found


def _note(found: list[str | None], names: list[str | None]) -> None:
    for row, name in enumerate(names):
        found[row] = found[row] or name


def _text_id(cell: Any, target: Target) -> str | None:
    name = record_id(cell) if isinstance(cell, str) else None
    return name if name in target.ids else None


def _nested_id(cell: Any, target: Target) -> str | None:
    return "nested" if spans(_plain(cell), target.needles) else None


def _other_columns(table: "pa.Table") -> list[str]:
    """Columns of text that are neither ids nor records' own texts: another record's text is left as it is."""
    own = (*ID_COLUMNS, *(TEXT_COLUMNS if "record_id" in table.column_names else ()))
    return [f.name for f in table.schema if f.name not in own and _is_text(f.type)]


def _nested_columns(table: "pa.Table") -> list[str]:
    return [f.name for f in table.schema if not _is_text(f.type) and _may_hold_text(f.type)]


def _may_hold_text(kind: Any) -> bool:
    """Whether there are letters somewhere inside: the numbers of an embedding need not be read as such."""
    from pyarrow import types

    if types.is_nested(kind):
        return any(_may_hold_text(kind.field(number).type) for number in range(kind.num_fields))
    return _is_text(kind) or bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    value = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(value) or types.is_large_string(value) or types.is_string_view(value))


def _cells(column: "pa.ChunkedArray") -> bytes:
    """All cells under one another."""
    import pyarrow as pa

    distinct = column if pa.types.is_nested(column.type) else column.unique()
    return b"\n".join(_plain(cell) for cell in distinct.to_pylist())


def _plain(cell: Any) -> bytes:
    if isinstance(cell, bytes):
        return cell
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)
    return text.encode(errors="replace")


def _redacted(cell: str | None, target: Target) -> str | None:
    return None if cell is None else redacted(cell.encode(errors="replace"), target.needles)[0].decode(errors="replace")
