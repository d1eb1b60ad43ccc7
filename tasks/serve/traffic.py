"""The traffic log: requests and answers as Parquet files, each written whole and never touched again.

Columns: `at` (UTC), `prediction_id`, `version`, `arm` (champion, challenger, shadow), `record_id`, `text` or another
kind's content, the content's statistics, `embedding` (float16), `predicted`, `confidence`, `p_<class>`, `latency_ms`,
`caller` (the name of an API key). What the recipe's privacy setting leaves out is null.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import storage
from tasks.errors import TidemillError
from tasks.recipe import Traffic
from tasks.serve.metrics import Metrics

STAMP = "%Y%m%dT%H%M%S.%fZ"
MOST_FILES_WAITING = 4
"""Rows that a failing disk may pile up in memory, in files."""


@dataclass(frozen=True, eq=False)
class Row:
    """One answer as the handlers leave it; the columns are made later, beside the event loop."""

    at: float
    prediction_id: str
    version: int | None
    arm: str
    content: Any
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32] | None
    latency_ms: float
    caller: str | None


@dataclass(eq=False)
class Log:
    """Gathers rows and writes a file of them when it is full or old enough. A full disk costs rows, never answers."""

    folder: Path
    settings: Traffic
    kind: Any
    metrics: Metrics
    _rows: deque[Row] = field(default_factory=deque)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _opened_at: float = field(default_factory=time.time)

    def add(self, row: Row) -> None:
        """Keep a row; the oldest go when the disk has failed for long."""
        if len(self._rows) >= self.settings.file_rows * MOST_FILES_WAITING:
            self._rows.popleft()
            self.metrics.traffic_lost.inc()
        self._rows.append(row)

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        old = time.time() - self._opened_at >= self.settings.file_minutes * 60
        return bool(self._rows) and (old or len(self._rows) >= self.settings.file_rows)

    def write(self) -> None:
        """Write what was gathered as one file; when that fails, say so in the metrics and keep the rows."""
        with self._writing:
            rows = [self._rows.popleft() for _ in range(min(len(self._rows), self.settings.file_rows))]
            self._opened_at = time.time()
            if not rows:
                return
            name = f"{datetime.now(UTC).strftime(STAMP)}-{rows[0].prediction_id[-6:]}.parquet"
            try:
                storage.write_arrow(self.folder / name, table(rows, self.settings, self.kind))
            except (TidemillError, OSError) as error:
                self._rows.extendleft(reversed(rows))
                self.metrics.traffic_failing.set(1)
                print(f"traffic log: {error}", flush=True)
                return
            self.metrics.traffic_failing.set(0)
            self.metrics.traffic_rows.inc(len(rows))

    def forget_old(self) -> None:
        """Delete the files that are older than the recipe keeps them."""
        oldest = (datetime.now(UTC) - timedelta(days=self.settings.keep_days)).strftime(STAMP)
        for file in self.folder.glob("*.parquet"):
            if file.name < oldest:
                file.unlink(missing_ok=True)


def table(rows: list[Row], settings: Traffic, kind: Any) -> Any:
    """The rows as an Arrow table with the columns above."""
    import pyarrow as pa

    full = settings.content == "full"
    known = settings.content in ("full", "hashed")
    embedded = settings.content in ("full", "embedding")
    statistics = [kind.statistics(row.content) for row in rows]
    scores = np.array([row.probabilities for row in rows], dtype=np.float32)
    classes = rows[0].classes
    columns = {
        "at": pa.array([int(row.at * 1e6) for row in rows], pa.timestamp("us", "UTC")),
        "prediction_id": pa.array([row.prediction_id for row in rows]),
        "version": pa.array([row.version for row in rows], pa.int64()),
        "arm": pa.array([row.arm for row in rows]),
        "record_id": pa.array([kind.identity(row.content) if known else None for row in rows], pa.string()),
        kind.COLUMN: pa.array([row.content if full else None for row in rows], pa.string()),
        **{name: pa.array([row[name] for row in statistics]) for name in statistics[0]},
        "embedding": pa.array([_half(row.embedding) if embedded else None for row in rows], pa.list_(pa.float16())),
        "predicted": pa.array([classes[place] for place in scores.argmax(axis=1)]),
        "confidence": pa.array(scores.max(axis=1)),
        **{f"p_{name}": pa.array(scores[:, place]) for place, name in enumerate(classes)},
        "latency_ms": pa.array([row.latency_ms for row in rows], pa.float32()),
        "caller": pa.array([row.caller for row in rows], pa.string()),
    }
    return pa.table(columns)


def _half(embedding: NDArray[np.float32] | None) -> NDArray[np.float16] | None:
    return None if embedding is None else embedding.astype(np.float16)
