"""What one file holds of forgotten records, whatever its form, and the same file without it."""

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from tasks import storage
from tasks.forget import archives, databases, tables
from tasks.forget.needles import redacted, spans
from tasks.forget.target import Hits, Target

LOOKED_AT = 65536
"""Bytes of a file that tell whether it is text."""


@contextlib.contextmanager
def content_of(path: Path) -> Iterator[bytes | mmap.mmap]:
    """The file's bytes, in memory only where they are looked at; none of a file that another process has removed."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            yield b""
            return
        if os.fstat(file.fileno()).st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


def hits(content: bytes | mmap.mmap, target: Target) -> Hits:
    """What the content holds: rows of a Parquet table, passages of everything else."""
    if archives.packed(content):
        return _united([hits(inner, target) for inner in archives.unpacked(content)])
    if content[:4] == tables.START:
        table = tables.read(content)
        return tables.hits(table, target) if table is not None else Hits()
    if content[:16] == databases.START:
        return _database_hits(bytes(content), target)
    return Hits(passages=len(spans(content, target.needles)))


def file_hits(path: Path, target: Target) -> Hits:
    """What the file holds; of a database its cells with what its journal (WAL) adds, and its free pages."""
    with content_of(path) as content:
        if content[:16] != databases.START:
            return hits(content, target)
        free = len(spans(content, target.needles))
    return Hits(passages=databases.passages(path, target) or free)


def texts(content: bytes | mmap.mmap, ids: frozenset[str]) -> set[str]:
    """The texts of these records, where the content is a table."""
    table = tables.read(content) if content[:4] == tables.START else None
    return tables.texts(table, ids) if table is not None else set()


def is_table(path: Path) -> bool:
    """Whether the file begins as a Parquet table."""
    with content_of(path) as content:
        return content[: len(tables.START)] == tables.START


def cleaned(content: bytes, target: Target, name: str) -> bytes | None:
    """The content without what it held, or None where that can only be had by removing the file."""
    table = tables.read(content) if content[:4] == tables.START else None
    if table is not None:
        return tables.written(tables.without(table, target))
    if archives.packed(content) or not _is_text(content):
        return None
    if name.endswith(".jsonl"):
        return b"".join(line for line in content.splitlines(keepends=True) if not spans(line, target.needles))
    return redacted(content, target.needles)[0]


def erase(path: Path, target: Target) -> bool:
    """Whether the file is still there, after what it held was taken out of it."""
    with content_of(path) as content:
        database = content[:16] == databases.START
    if database:
        databases.erase(path, target)
        return True
    rest = None if path.name.endswith(".part") else cleaned(path.read_bytes(), target, path.name)
    if rest is None:
        path.unlink()
        return False
    storage.write_bytes(path, rest)
    return True


def _united(found: list[Hits]) -> Hits:
    ids = frozenset(name for one in found for name in one.ids)
    return Hits(ids, sum(one.rows for one in found), sum(one.passages for one in found))


def _database_hits(content: bytes, target: Target) -> Hits:
    with storage.scratch() as folder:
        path = folder / "database"
        path.write_bytes(content)
        return Hits(passages=databases.passages(path, target))


def _is_text(content: bytes) -> bool:
    return b"\0" not in content[:LOOKED_AT]
