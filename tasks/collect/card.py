"""The page a person looks at after a collect."""

from collections.abc import Sequence

from tasks.collect.origins import named
from tasks.manifests import Reading
from tasks.recipe import Recipe


def line(reading: Reading) -> str:
    """One source in one line: `amazon: 3,708 rows read, 3,690 new, 18 already there`."""
    there = reading.rows_read - reading.rows_new
    return f"{reading.name}: {reading.rows_read:,} rows read, {reading.rows_new:,} new, {there:,} already there"


def card(recipe: Recipe, readings: Sequence[Reading], refused: Sequence[str], totals: tuple[int, int]) -> str:
    """A markdown table of all sources, read in this run or before, and the refused rows.

    `totals` are the records and label rows that have landed in all runs.
    """
    by_name = {reading.name: reading for reading in readings}
    rows = [
        _row(source.name, named(source), source.licence, by_name.get(source.name))
        for source in (*recipe.sources, *recipe.labels.sources)
    ]
    if model := recipe.train.base_model:
        rows.append(f"| base_model | {named(model)} | {model.licence} | | |")
    table = ["| source | origin | licence | rows read | new |", "|---|---|---|---:|---:|", *rows]
    summary = f"{totals[0]:,} records and {totals[1]:,} label rows have landed so far."
    notes = [f"Refused {len(refused)}:", *(f"- {note}" for note in refused)] if refused else []
    return "\n".join([summary, "", *table, *(["", *notes] if notes else [])]) + "\n"


def _row(name: str, origin: str, licence: str, reading: Reading | None) -> str:
    counts = f"{reading.rows_read:,} | {reading.rows_new:,}" if reading else "as before | 0"
    return f"| {name} | {origin} | {licence} | {counts} |"
