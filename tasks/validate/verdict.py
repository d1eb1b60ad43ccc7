"""Which rows are set aside, and whether so much is broken that the run must stop."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from tasks.validate.outcomes import Outcome, columns_of

QUARANTINE_COLUMNS = ("record_id", "expectation", "column", "value", "reason")
LONGEST_VALUE = 200


def quarantine(outcomes: Sequence[Outcome], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row (QUARANTINE_COLUMNS) for each broken promise of each failing row.

    Rows that a kept promise tolerates by `mostly` are no part of it.
    """
    parts = [_failing_rows(one, tables[one.table]) for one in outcomes if not one.kept and one.failing]
    empty = pd.DataFrame(columns=QUARANTINE_COLUMNS, dtype="str")
    return pd.concat([empty, *parts], ignore_index=True).astype("str") if parts else empty


def _failing_rows(one: Outcome, table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["record_id"].isin(one.failing or ())]
    return pd.DataFrame(
        {
            "record_id": rows["record_id"],
            "expectation": one.promise.type,
            "column": one.column,
            "value": values(one, rows),
            "reason": one.promise.why,
        }
    )


def values(one: Outcome, rows: pd.DataFrame) -> list[str]:
    """What the rows hold in the promise's columns, as short text."""
    cells = rows[columns_of(one.promise)].astype("str").fillna("null")
    return [textwrap.shorten(", ".join(row), LONGEST_VALUE, placeholder=" …") for row in cells.to_numpy()]


def faults(outcomes: Sequence[Outcome], tables: Mapping[str, pd.DataFrame], tolerated: float) -> list[str]:
    """Why the run must stop: what could not be checked, what is broken for a whole table, too many failing rows."""
    unchecked = [f"{one.table}: {one.promise.type} cannot be checked: {one.fault}" for one in outcomes if one.fault]
    whole = [
        f"{one.table}: {one.promise.type} is broken (found {one.observed})"
        for one in outcomes
        if not one.kept and not one.fault and one.failing is None
    ]
    many = (_too_many(name, len(failing_ids(outcomes, name)), len(table), tolerated) for name, table in tables.items())
    return [*unchecked, *whole, *(fault for fault in many if fault)]


def failing_ids(outcomes: Sequence[Outcome], table: str) -> set[str | None]:
    """The record_id of every row of the table that breaks a broken promise."""
    return {name for one in outcomes if one.table == table and not one.kept for name in one.failing or ()}


def _too_many(name: str, failing: int, rows: int, tolerated: float) -> str:
    if failing <= tolerated * rows:
        return ""
    return f"{name}: {failing:,} of {rows:,} rows fail ({failing / rows:.2%}), the recipe tolerates {tolerated:.2%}"
