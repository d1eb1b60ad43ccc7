"""Our columns out of a source's, by name or position, with what a pattern takes of their text."""

import re
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from tasks.collect.reading import Part
from tasks.errors import RecipeError, SourceError, listed
from tasks.recipe import Column

Wanted = Mapping[str, str | int | Column]
_SHOWN_ROWS = 3


def checked(wanted: Wanted, known: Collection[str], source: str) -> dict[str, Column]:
    """The declared columns, each as a Column. Raises RecipeError for a name we have no use for, or a bad pattern."""
    columns = {
        ours: theirs if isinstance(theirs, Column) else Column(column=theirs, pattern=None)
        for ours, theirs in wanted.items()
    }
    faults = [f"{ours} is none of {', '.join(known)}" for ours in columns if ours not in known]
    faults += [fault for ours, column in columns.items() if (fault := _pattern_fault(ours, column))]
    if faults:
        raise RecipeError(listed(faults, f"{source}.columns"))
    return columns


def _pattern_fault(ours: str, column: Column) -> str | None:
    if column.pattern is None:
        return None
    try:
        groups = re.compile(column.pattern).groups
    except re.error as error:
        return f"{ours}.pattern is no regular expression ({error})"
    return None if groups else f"{ours}.pattern has no group; put what is to be taken in ( )"


def mapped(part: Part, columns: Mapping[str, Column], ours: Sequence[str]) -> pd.DataFrame:
    """A table of all of `ours` (`str`), the index kept; null where undeclared, empty, or not found by the pattern.

    Raises SourceError when the source lacks a declared column.
    """
    names = [str(name) for name in part.rows.columns]
    declared = columns if names else {}
    faults = [fault for name, column in declared.items() if (fault := _missing(name, column.column, names))]
    if faults:
        raise SourceError(listed(faults, part.name))
    nothing = pd.Series(None, index=part.rows.index, dtype="str")
    return pd.DataFrame({name: _cells(part.rows, declared[name]) if name in declared else nothing for name in ours})


def _missing(ours: str, theirs: str | int, names: list[str]) -> str | None:
    if isinstance(theirs, int):
        if 0 <= theirs < len(names):
            return None
        return f"has no column {theirs} for {ours}; it has {len(names)}, counted from 0"
    return None if theirs in names else f"has no column {theirs!r} for {ours}; it has {', '.join(names)}"


def _cells(rows: pd.DataFrame, column: Column) -> pd.Series:
    cells = rows.iloc[:, column.column] if isinstance(column.column, int) else rows[column.column]
    cells = cells.astype("str")
    if column.pattern is not None:
        cells = cells.str.extract(column.pattern, expand=True)[0].astype("str")
    return cells.mask(cells == "")


def times(cells: pd.Series, where: str) -> pd.Series:
    """UTC microseconds out of ISO 8601 texts (without an offset: UTC). Raises SourceError that names the rows."""
    found = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
    _refuse(cells, found.isna() & cells.notna(), where, "is no time; write ISO 8601, as 2026-11-24T09:30:00Z")
    return found


def numbers(cells: pd.Series, where: str) -> pd.Series:
    """Floats out of texts. Raises SourceError that names the rows."""
    found = pd.to_numeric(cells, errors="coerce").astype("float64")
    _refuse(cells, found.isna() & cells.notna(), where, "is no number")
    return found


def _refuse(cells: pd.Series, wrong: "pd.Series[bool]", where: str, what: str) -> None:
    if wrong.any():
        raise SourceError(f"{where}, {places(cells[wrong])} {what}")


def places(cells: pd.Series) -> str:
    """The first few rows by their index, with what stands there: `line 7 'x', line 9 'y' and 3 more`."""
    word = cells.index.name or "row"
    first = ", ".join(f"{word} {place} {value!r}" for place, value in cells.head(_SHOWN_ROWS).items())
    return first if len(cells) <= _SHOWN_ROWS else f"{first} and {len(cells) - _SHOWN_ROWS} more"
