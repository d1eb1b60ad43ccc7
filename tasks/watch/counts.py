"""Columns of two tables as counts in common bins: all that the tests need to know, whatever the number of rows.

The bins come from a sample of both tables that was drawn without looking at which row is whose. So they are the same for
every way of dealing the rows to the two tables, and a permutation test on the counts is exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.statistics import IntArray
from tasks.watch import tables
from tasks.watch.tables import Dataset

SAMPLE_ROWS = 20_000
MOST_BINS = 64
MISSING, OTHER = "(missing)", "(other)"


@dataclass(frozen=True)
class Bins:
    """Where a column's values belong: by rising upper edges for numbers, by name for categories."""

    column: str
    edges: NDArray[np.float64] | None
    names: tuple[str, ...]

    @property
    def ordered(self) -> bool:
        """Whether the bins are intervals of numbers."""
        return self.edges is not None

    @property
    def size(self) -> int:
        """One bin for missing values, one for each interval or name, one for what is above or beside all of them."""
        return len(self.names)


@dataclass(frozen=True)
class Counts:
    """Rows of each bin in the reference and in the window."""

    bins: Bins
    reference: IntArray
    window: IntArray


def compared(reference: Dataset, window: Dataset, columns: Sequence[str], rng: np.random.Generator) -> list[Counts]:
    """The counts of each column, in two passes over each table, in bounded memory."""
    sample = pooled_sample(reference, window, columns, rng)
    bins = [of_sample(column, sample.column(column)) for column in columns]
    found = [counted(table, bins) for table in (reference, window)]
    return [Counts(each, found[0][number], found[1][number]) for number, each in enumerate(bins)]


def pooled_sample(reference: Dataset, window: Dataset, columns: Sequence[str], rng: np.random.Generator) -> Any:
    """At most SAMPLE_ROWS rows of both tables together, each row as likely as any other; a pyarrow table."""
    import pyarrow as pa

    sizes = [table.count_rows() for table in (reference, window)]
    positions = tables.drawn(sum(sizes), SAMPLE_ROWS, rng)
    cut = int(np.searchsorted(positions, sizes[0]))
    parts = [
        tables.rows_at(reference, columns, positions[:cut]),
        tables.rows_at(window, columns, positions[cut:] - sizes[0]),
    ]
    return pa.concat_tables(parts, promote_options="permissive")


def of_sample(column: str, values: Any) -> Bins:
    """The bins of a column from a sample of its values (a pyarrow array)."""
    if not is_number(values.type):
        return Bins(column, None, (MISSING, *_commonest(values), OTHER))
    numbers = _numbers(values)
    edges = _edges(numbers[np.isfinite(numbers)])
    names = (MISSING, *(f"up to {edge:.4g}" for edge in edges), f"above {edges[-1]:.4g}" if len(edges) else "any")
    return Bins(column, edges, names)


def is_number(kind: Any) -> bool:
    """Whether a pyarrow type holds numbers that have an order."""
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def counted(table: Dataset, bins: Sequence[Bins]) -> list[IntArray]:
    """Rows of each bin, for each of the columns."""
    totals: list[IntArray] = [np.zeros(each.size, dtype=np.int64) for each in bins]
    for batch in tables.batches(table, [each.column for each in bins]):
        for number, each in enumerate(bins):
            totals[number] += _of_batch(batch.column(number), each)
    return totals


def _of_batch(values: Any, bins: Bins) -> IntArray:
    if bins.edges is None:
        return _of_categories(values, bins)
    numbers = _numbers(values)
    places = 1 + np.searchsorted(bins.edges, numbers, side="left")
    places[np.isnan(numbers)] = 0
    return np.bincount(places, minlength=bins.size)


def _of_categories(values: Any, bins: Bins) -> IntArray:
    place = {name: number for number, name in enumerate(bins.names)}
    totals = np.zeros(bins.size, dtype=np.int64)
    for name, rows in _tally(values):
        totals[place.get(name, bins.size - 1)] += rows
    return totals


def _tally(values: Any) -> Iterator[tuple[str, int]]:
    """Each value as text, with its rows."""
    import pyarrow.compute as pc

    for entry in pc.value_counts(values):
        value = entry["values"].as_py()
        yield (MISSING if value is None else str(value)), entry["counts"].as_py()


def _commonest(values: Any) -> list[str]:
    """The MOST_BINS commonest values; of equals the first by name."""
    rows: dict[str, int] = {}
    for name, number in _tally(values):
        rows[name] = rows.get(name, 0) + number
    rows.pop(MISSING, None)
    return sorted(rows, key=lambda name: (-rows[name], name))[:MOST_BINS]


def _numbers(values: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    # In a chunked array a missing value becomes NaN without more ado.
    chunks = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    numbers: NDArray[np.float64] = chunks.cast(pa.float64()).to_numpy()
    return numbers


def _edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper edges of bins that hold about the same number of values; each value its own bin when there are few."""
    distinct = np.unique(numbers)
    if len(distinct) < MOST_BINS:
        return distinct[:-1]
    cuts = np.quantile(numbers, np.arange(1, MOST_BINS) / MOST_BINS, method="inverted_cdf")
    return np.asarray(np.unique(cuts))
