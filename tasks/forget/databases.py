"""SQLite databases: passages of forgotten texts in any cell, and the same database without a trace of them."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import TidemillError
from tasks.forget.needles import redacted, spans
from tasks.forget.target import Target

START = b"SQLite format 3\x00"
PATIENCE_S = 30.0


def passages(path: Path, target: Target) -> int:
    """How many passages the database's cells hold. Raises TidemillError when it cannot be read."""
    with _opened(path) as database:
        return sum(len(spans(cell, target.needles)) for _, _, cell in _cells(database))


def erase(path: Path, target: Target) -> None:
    """Put a mark in the place of each passage, then rewrite the file so that no free page keeps what stood there.

    Raises TidemillError when somebody else uses the database.
    """
    with _opened(path) as database:
        # Read to the end first: SQLite may show a row twice when it is changed under the reader.
        for table, row, _ in [found for found in _cells(database) if spans(found[2], target.needles)]:
            _erase_row(database, table, row, target)
        database.commit()
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE_S)) as database:
            database.execute("PRAGMA secure_delete = ON")
            yield database
    except sqlite3.Error as error:
        raise TidemillError(
            f"{path}: cannot be cleaned ({error}); end what uses it (tidemill down), then run the same command again"
        ) from error


def _cells(database: sqlite3.Connection) -> Iterator[tuple[str, int, bytes]]:
    """Every cell of text or bytes: table, row id, content."""
    for table in _tables(database):
        for row, *values in database.execute(f"SELECT rowid, * FROM {table}"):  # noqa: S608 (a quoted name from the database itself)
            for value in values:
                if isinstance(value, str | bytes):
                    yield table, row, _bytes(value)


def _tables(database: sqlite3.Connection) -> list[str]:
    """The tables with row ids, as quoted names."""
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%WITHOUT ROWID%'")
    return [_quoted(name) for (name,) in names.fetchall() if not name.startswith("sqlite_")]


def _erase_row(database: sqlite3.Connection, table: str, row: int, target: Target) -> None:
    found = database.execute(f"SELECT * FROM {table} WHERE rowid = ?", (row,))  # noqa: S608
    names, values = [column[0] for column in found.description], found.fetchone()
    for name, value in zip(names, values, strict=True):
        if isinstance(value, str | bytes) and spans(_bytes(value), target.needles):
            cleaned = redacted(_bytes(value), target.needles)[0]
            kept = cleaned.decode(errors="replace") if isinstance(value, str) else cleaned
            database.execute(f"UPDATE {table} SET {_quoted(name)} = ? WHERE rowid = ?", (kept, row))  # noqa: S608


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
