"""What the traffic log keeps of the contents that one version was asked about."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tasks.errors import TidemillError

if TYPE_CHECKING:
    from tasks.recipe import Traffic

CHAMPION = "champion"


@dataclass(frozen=True)
class Span:
    """The answers of one version from `since` to `until`, both included (UTC)."""

    version: int
    since: datetime
    until: datetime


def contents(folder: Path, span: Span, column: str, kept: "Traffic") -> pd.DataFrame:
    """Each content once, as the log holds it and as it came first: the column, happened_at.

    Raises TidemillError when the log holds no content of that time, with the recipe's setting that says why.
    """
    rows = _rows(folder, span, column).dropna(subset=column)
    if rows.empty:
        why = (
            f"it keeps what serve.traffic.content: {kept.content} says; full keeps contents from then on"
            if kept.content != "full"
            else f"it keeps rows for serve.traffic.keep_days: {kept.keep_days:g}"
        )
        raise TidemillError(
            f"{folder}: holds no {column} of the drifted window until {span.until:%Y-%m-%d %H:%M}, so nobody can be "
            f"asked about it; {why}"
        )
    first = rows.sort_values("at", kind="stable").drop_duplicates(column)
    return first.rename(columns={"at": "happened_at"}).reset_index(drop=True)


def _rows(folder: Path, span: Span, column: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    files = sorted(folder.glob("*.parquet"))
    if not files:
        return pd.DataFrame(columns=["at", column])
    first, last = (pa.scalar(time, pa.timestamp("us", "UTC")) for time in (span.since, span.until))
    wanted = (pc.field("version") == span.version) & (pc.field("arm") == CHAMPION)
    between = (pc.field("at") >= first) & (pc.field("at") <= last)
    found: pd.DataFrame = ds.dataset(files).to_table(columns=["at", column], filter=wanted & between).to_pandas()
    return found
