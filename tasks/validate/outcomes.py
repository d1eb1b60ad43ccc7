"""What came of each promise, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.validate.suite_files import Promise

COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")
"""The arguments of an expectation that name columns."""


@dataclass(frozen=True)
class Outcome:
    """One promise, kept or broken.

    `failing` holds the record_id of each row that broke it, those that a kept `mostly` tolerates included; it is None
    for a promise about the whole table. `fault` says why the promise could not be checked at all.
    """

    table: str
    promise: Promise
    kept: bool
    failing: tuple[str | None, ...] | None = None
    observed: str = ""
    fault: str = ""

    @property
    def column(self) -> str:
        """The names of the promise's columns, empty for a promise about the table itself."""
        return ", ".join(columns_of(self.promise))


def columns_of(promise: Promise) -> list[str]:
    """The columns that a promise names."""
    named = [promise.kwargs[argument] for argument in COLUMN_ARGUMENTS if argument in promise.kwargs]
    return [name for part in named for name in (part if isinstance(part, list) else [part])]


def outcome(table: str, promise: Promise, result: Mapping[str, Any], columns: Sequence[str]) -> Outcome:
    """The outcome in one result of the library (as a plain dict) for a table that has `columns`."""
    details = result["result"]
    if not details and not result["success"]:
        return Outcome(table, promise, kept=False, fault=_fault(promise, result["exception_info"], columns))
    failing = details.get("unexpected_index_list")
    return Outcome(
        table,
        promise,
        kept=bool(result["success"]),
        failing=tuple(row["record_id"] for row in failing) if failing is not None else None,
        observed=str(details.get("observed_value", "")),
    )


def _fault(promise: Promise, raised: Mapping[str, Any], columns: Sequence[str]) -> str:
    missing = [name for name in columns_of(promise) if name not in columns]
    if missing:
        return f"column {', '.join(missing)} is missing; there are {', '.join(columns)}"
    causes = [raised] if "exception_message" in raised else list(raised.values())
    return "; ".join(str(cause["exception_message"]).strip() for cause in causes)
