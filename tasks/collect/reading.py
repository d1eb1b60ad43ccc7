"""A declared source as tables of text cells, whatever its scheme and its form."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from tasks.collect import archive, database, hub, label_studio
from tasks.collect.mail import mail_table
from tasks.collect.origins import named, shown
from tasks.collect.pixels import cifar_table, idx_table, image_files, with_images
from tasks.collect.tables import READERS
from tasks.errors import RecipeError, SourceError
from tasks.paths import Paths
from tasks.recipe import Column, Origin, Table

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json_files",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".eml": "mail",
    ".png": "images",
    ".jpg": "images",
    ".jpeg": "images",
    ".gif": "images",
    ".webp": "images",
    ".bmp": "images",
}
"""The format of a file whose recipe names none."""


@dataclass(frozen=True)
class Part:
    """The rows of one file (or of all mails): text cells, the index says where each stands, `refused` what was left."""

    name: str
    rows: pd.DataFrame
    refused: tuple[str, ...] = ()


def parts(source: Table, paths: Paths, fetch: Callable[[Origin], Path]) -> list[Part]:
    """All rows that the source holds now, no more than its `limit`. Raises SourceError or RecipeError."""
    scheme = source.url.partition(":")[0]
    if scheme == "sql":
        found = [Part(shown(source.url), database.query_table(source, paths.root))]
    elif scheme == "hf":
        found = [Part(shown(source.url), hub.dataset_table(source, paths))]
    else:
        found = file_parts(source, fetch(source))
    return found if source.limit is None else _limited(found, source.limit)


def file_parts(source: Table, path: Path) -> list[Part]:
    """The rows in the file at `path`, or in those of its members that the source asks for."""
    members = archive.members(path, source.member, shown(source.url))
    first = next(members)
    form = source.format or format_of(first[0] if source.member else source.url, source)
    contents = ((name, stream.read()) for name, stream in _chained(first, members))
    if form == "mail":
        return [Part(named(source), mail_table(contents, source.encoding))]
    if form == "images":
        return [Part(named(source), image_files(contents))]
    read = _reader(form, source)
    return [_part(name, content, source, read) for name, content in contents]


def format_of(name: str, source: Table) -> str:
    """The format by the name's ending. Raises RecipeError when it tells nothing."""
    path = PurePosixPath(name.partition("?")[0])
    ending = path.suffix if path.suffix not in (".gz", ".bz2", ".xz") else PurePosixPath(path.stem).suffix
    if ending.lower() not in ENDINGS:
        known = "csv, tsv, jsonl, json_files, parquet, mail, label_studio, images, idx or cifar"
        raise RecipeError(f"{source.name}.format: cannot be told from {path.name!r}; set it to {known}")
    return ENDINGS[ending.lower()]


def _chained(first: archive.Member, others: Iterator[archive.Member]) -> Iterator[archive.Member]:
    yield first
    yield from others


def _reader(form: str, source: Table) -> Callable[[bytes], tuple[pd.DataFrame, tuple[str, ...]]]:
    if form == "label_studio":
        label = source.columns.get("label")
        control = label.column if isinstance(label, Column) else label
        return lambda content: label_studio.export_table(content, None if control is None else str(control))
    readers = {**READERS, "idx": idx_table, "cifar": cifar_table}
    if form not in readers:
        raise RecipeError(f"{source.name}.format: {form} needs a sql: or hf: source; a file is {', '.join(readers)} …")
    if (pixels := source.pixels) is not None:
        return lambda content: (with_images(readers[form](content, source), pixels), ())
    return lambda content: (readers[form](content, source), ())


def _part(
    member: str, content: bytes, source: Table, read: Callable[[bytes], tuple[pd.DataFrame, tuple[str, ...]]]
) -> Part:
    name = _part_name(source, member)
    with faults_of(name):
        rows, refused = read(content)
    return Part(name, rows, refused)


def _part_name(source: Table, member: str) -> str:
    outer = (source.member or "").rpartition("!")[0]
    return named(source, "!".join(filter(None, (outer, member)))) if source.member else shown(source.url)


@contextmanager
def faults_of(name: str) -> Iterator[None]:
    """SourceErrors inside begin with the file's name."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{name}, {error}") from error


def _limited(found: list[Part], limit: int) -> list[Part]:
    kept, left = [], limit
    for part in found:
        kept.append(Part(part.name, part.rows.head(left), part.refused))
        left = max(0, left - len(part.rows))
    return kept
