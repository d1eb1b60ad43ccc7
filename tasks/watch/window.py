"""The traffic that no verdict was given on yet: the champion's answers since the last one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks import storage
from tasks.errors import TidemillError
from tasks.watch import tables
from tasks.watch.tables import Dataset

STAMP = "%Y%m%dT%H%M%S.%fZ"
"""Of the time in a traffic file's name: when it was written, which is after the last of its rows."""

CHAMPION = "champion"


@dataclass(frozen=True)
class Window:
    """Answers of one version from `since` (not included) to `until` (both UTC)."""

    rows: Dataset
    since: datetime
    until: datetime

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.until - self.since).total_seconds() / 86_400


def window(folder: Path, version: int, since: datetime | None) -> Window | None:
    """What the traffic log in `folder` holds of the version after `since` (default: its beginning), or None: nothing.

    Raises TidemillError when a file cannot be read or has no `at`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    files = [file for file in sorted(folder.glob("*.parquet")) if since is None or _written(file) > since]
    if not files:
        return None
    log = tables.of_files(files)
    if missing := [name for name in ("at", "version", "arm") if name not in log.schema.names]:
        raise TidemillError(f"{files[0]}: has no column {missing[0]!r}; a traffic log has at, version and arm")
    asked = (pc.field("version") == version) & (pc.field("arm") == CHAMPION)
    after = pc.field("at") > pa.scalar(since, pa.timestamp("us", "UTC")) if since else None
    rows = log.filter(asked if after is None else asked & after)
    times = pc.min_max(rows.to_table(columns=["at"])["at"]).as_py()
    if times["min"] is None:
        return None
    return Window(rows, since or times["min"], times["max"])


def last_end(verdicts: Sequence[Path]) -> datetime | None:
    """Where the newest of the verdict files ends, or None without any."""
    return datetime.fromisoformat(storage.read_json(verdicts[-1])["until"]) if verdicts else None


def _written(file: Path) -> datetime:
    """When a traffic file was written, by its name."""
    try:
        return datetime.strptime(file.name.split("-")[0], STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise TidemillError(f"{file}: is no file of the traffic log; move it away") from error
