"""Tables of any size as pyarrow datasets: read a batch at a time, sampled by position."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import TidemillError

if TYPE_CHECKING:
    import pandas as pd

Dataset = Any
"""A pyarrow.dataset.Dataset: Parquet files, or a table in memory."""

BATCH_ROWS = 131_072
"""20 columns of numbers at once are 21 MB."""


def of_files(files: Sequence[Path]) -> Dataset:
    """The Parquet files as one table. Raises TidemillError when there is none, or one cannot be read."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        raise TidemillError(f"{missing[0] if missing else 'no file'}: there is no such table; name Parquet files")
    # By default whole columns of a file are read ahead: all of it, for one of a single row group or a slow reader.
    as_needed = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False))
    try:
        return ds.dataset([str(file) for file in files], format=as_needed)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TidemillError(f"{files[0]}: is no readable Parquet table ({reason})") from error


def of_table(table: "pd.DataFrame") -> Dataset:
    """A table in memory as a dataset."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    return ds.dataset(pa.Table.from_pandas(table, preserve_index=False))


def batches(table: Dataset, columns: Sequence[str]) -> Iterator[Any]:
    """Record batches of some columns, in order, one in memory at a time."""
    ahead = {"batch_readahead": 0, "fragment_readahead": 0, "use_threads": False}
    yield from table.to_batches(columns=list(columns), batch_size=BATCH_ROWS, **ahead)


def rows_at(table: Dataset, columns: Sequence[str], positions: NDArray[np.int64]) -> Any:
    """The rows at rising positions, as a pyarrow table."""
    import pyarrow as pa

    schema = pa.schema([table.schema.field(column) for column in columns])
    parts, start = [], 0
    for batch in batches(table, columns):
        first, last = np.searchsorted(positions, [start, start + batch.num_rows])
        if last > first:
            parts.append(batch.take(pa.array(positions[first:last] - start)))
        start += batch.num_rows
    return pa.Table.from_batches(parts, schema=schema)


def drawn(rows: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of `wanted` rows (or all, if there are no more), drawn without replacement, rising."""
    if rows <= wanted:
        return np.arange(rows)
    return np.sort(rng.choice(rows, wanted, replace=False)).astype(np.int64)
