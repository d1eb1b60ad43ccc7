"""The outcomes as a person reads them: a table in the terminal, a page after the run."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tasks import markdown
from tasks.validate.outcomes import Outcome
from tasks.validate.verdict import failing_ids, values

MOST_EXAMPLES = 2
LONGEST_EXAMPLE = 40
HEADINGS = ("table", "expectation", "column", "failing", "share", "examples")


def text_table(outcomes: Sequence[Outcome], tables: Mapping[str, pd.DataFrame]) -> str:
    """The broken promises under HEADINGS in columns of even width."""
    rows = [HEADINGS, *(_row(one, tables[one.table]) for one in outcomes if not one.kept)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(one: Outcome, table: pd.DataFrame) -> tuple[str, ...]:
    if one.failing is None:
        return one.table, one.promise.type, one.column, "all", "", one.fault or f"found {one.observed}"
    rows = table[table["record_id"].isin(one.failing)]
    examples = [value[:LONGEST_EXAMPLE] for value in values(one, rows.head(MOST_EXAMPLES))]
    share = f"{len(rows) / len(table):.2%}"
    return one.table, one.promise.type, one.column, f"{len(rows):,}", share, " | ".join(examples)


def card(outcomes: Sequence[Outcome], tables: Mapping[str, pd.DataFrame], passed: int) -> str:
    """Markdown: rows and promises of each table, the promises with failing rows, how many records pass."""
    summary = [_summed(name, table, outcomes) for name, table in tables.items()]
    noticed = [_noticed(one) for one in outcomes if one.failing]
    parts = [markdown.table(("table", "rows", "promises", "rows in quarantine"), summary)]
    if noticed:
        parts.append(markdown.table(("what some rows break", "column", "rows", "what happened", "because"), noticed))
    return "\n".join([*parts, f"{passed:,} records pass and go on.\n"])


def _summed(name: str, table: pd.DataFrame, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    promises = sum(one.table == name for one in outcomes)
    return name, f"{len(table):,}", f"{promises}", f"{len(failing_ids(outcomes, name)):,}"


def _noticed(one: Outcome) -> tuple[str, ...]:
    happened = "tolerated (mostly)" if one.kept else "quarantine"
    return one.promise.type, one.column, f"{len(one.failing or ()):,}", happened, one.promise.why
