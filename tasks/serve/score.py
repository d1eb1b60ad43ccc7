"""Batch scoring: a whole table through a model, in bounded memory, taken up where it was interrupted.

Rows go in chunks of fixed size; each scored chunk is a part file of its own beside the output until the last is there.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks import file_lock, storage
from tasks.errors import SourceError
from tasks.progress import Report, progress
from tasks.serve.live import Live

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from pyarrow import dataset

CHUNK = 4096
"""Rows a part: some seconds of work, which is what an interruption costs."""
FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "json", ".ndjson": "json"}
ADDED = ("predicted", "confidence", "model_version")


def score(live: Live, source: Path, target: Path) -> int:
    """The number of rows scored: those of the table `source`, with the answers as further columns, are in `target`.

    A row whose content is missing or cannot be read gets no answer (nulls). Raises SourceError for a table that cannot
    be read or has no content column, BusyError when the same output is being made, TidemillError on a full disk: run the
    same again then.
    """
    rows = opened(source, live)
    parts = target.with_name(f".{target.name}.parts")
    with file_lock.held(parts.with_suffix(".lock")):
        done = _taken_up(parts, {"of": _identity(source), "version": live.version, "chunk": CHUNK})
        total = rows.count_rows()
        with progress(f"scoring {source.name}", total) as report:
            _score_parts(live, rows, parts, done, report)
        _join(parts, target, rows.schema.empty_table(), live)
        shutil.rmtree(parts)
    parts.with_suffix(".lock").unlink(missing_ok=True)
    return int(total)


def opened(source: Path, live: Live) -> "dataset.Dataset":
    """The table, not read yet. Raises SourceError when it is none, or lacks the content column."""
    import pyarrow as pa
    from pyarrow import dataset

    form = FORMATS.get(source.suffix.lower())
    if form is None:
        raise SourceError(f"{source}: is no {', '.join(FORMATS)} file")
    try:
        found = dataset.dataset(source, format=form)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{source}: cannot be read ({str(error).splitlines()[0]})") from error
    clash = sorted(set(_answer_columns(live)) & set(found.schema.names))
    if live.kind.COLUMN not in found.schema.names:
        raise SourceError(f"{source}: has no column {live.kind.COLUMN!r}; it has: {', '.join(found.schema.names)}")
    if clash:
        raise SourceError(f"{source}: has a column {clash[0]!r} already; rename it, or score the original table")
    return found


def _answer_columns(live: Live) -> list[str]:
    return [*ADDED, *(f"p_{name}" for name in live.model.classes)]


def _identity(source: Path) -> list[Any]:
    facts = source.stat()
    return [str(source.resolve()), facts.st_size, facts.st_mtime_ns]


def _taken_up(parts: Path, task: dict[str, Any]) -> int:
    """How many parts of this very task are there; what is left of another one is removed."""
    note = parts / "task.json"
    if not note.is_file() or storage.read_json(note) != task:
        shutil.rmtree(parts, ignore_errors=True)
        storage.write_json(note, task)
    return len(list(parts.glob("*.parquet")))


def _score_parts(live: Live, rows: "dataset.Dataset", parts: Path, done: int, report: Report) -> None:
    scored = done * CHUNK
    report(scored)
    for number, chunk in enumerate(_chunks(rows, scored), start=done):
        storage.write_arrow(parts / f"{number:08d}.parquet", answered(live, chunk))
        scored += len(chunk)
        report(scored)


def _chunks(rows: "dataset.Dataset", skip: int) -> "Iterator[pa.Table]":
    """The rows after the first `skip` in tables of CHUNK rows (the last may be shorter)."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    size = 0
    for whole in rows.to_batches(batch_size=CHUNK, batch_readahead=1, fragment_readahead=1):
        left = min(skip, len(whole))
        skip -= left
        batch = whole.slice(left)
        while size + len(batch) >= CHUNK:
            cut = CHUNK - size
            yield pa.Table.from_batches([*held, batch.slice(0, cut)])
            held, size, batch = [], 0, batch.slice(cut)
        if len(batch):
            held.append(batch)
            size += len(batch)
    if held:
        yield pa.Table.from_batches(held)


def answered(live: Live, chunk: "pa.Table") -> "pa.Table":
    """The chunk with the answers as further columns; null where there is no content."""
    import pyarrow as pa

    contents = [live.kind.readable(content) for content in chunk[live.kind.COLUMN].to_pylist()]
    there = [place for place, content in enumerate(contents) if content is not None]
    scores = live.model.probabilities([contents[place] for place in there])
    full = np.full((len(contents), len(live.model.classes)), np.nan, dtype=np.float32)
    full[there] = scores
    missing = np.isnan(full[:, 0])
    names = np.array(live.model.classes, dtype=object)[np.nan_to_num(full).argmax(axis=1)]
    added = {
        "predicted": pa.array(names, pa.string(), mask=missing),
        "confidence": pa.array(np.nan_to_num(full).max(axis=1), mask=missing),
        "model_version": pa.array([live.version] * len(contents), pa.int64()),
        **{f"p_{name}": pa.array(full[:, k], mask=missing) for k, name in enumerate(live.model.classes)},
    }
    for name, column in added.items():
        chunk = chunk.append_column(name, column)
    return chunk


def _join(parts: Path, target: Path, nothing: "pa.Table", live: Live) -> None:
    """Make one file of the parts, a part at a time."""
    from pyarrow import parquet

    files = sorted(parts.glob("*.parquet"))
    schema = parquet.read_schema(files[0]) if files else answered(live, nothing).schema
    with storage.atomic(target) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for file in files:
            writer.write_table(parquet.read_table(file).cast(schema))
