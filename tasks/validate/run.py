"""Stage validate: records and labels keep the promises of their suites, or are set aside, or the run stops."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks.errors import PromiseError
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.storage import read_table, scratch, write_table, write_text
from tasks.validate.data_docs import publish
from tasks.validate.outcomes import Outcome
from tasks.validate.report import card, text_table
from tasks.validate.suite_files import filled, placeholders, read_suite
from tasks.validate.suites import Check, validated
from tasks.validate.verdict import faults, quarantine


def checks(recipe: Recipe, paths: Paths) -> list[Check]:
    """The prepared records and the consensus labels, each with its suite filled in from the recipe."""
    wanted = {
        "records": (paths.stage("prepare") / "records.parquet", recipe.validation.records),
        "labels": (paths.stage("annotate") / "consensus.parquet", recipe.validation.labels),
    }
    values = placeholders(recipe.labels)
    made = []
    for name, (table, suite) in wanted.items():
        path = paths.expectations / f"{suite}.json"
        made.append(Check(name, read_table(table), filled(read_suite(path.parent, suite), values, path), path))
    return made


def held(checks: Sequence[Check], pages: Path) -> list[Outcome]:
    """The outcome of each promise; the pages about them replace those in `pages`."""
    with scratch() as built:
        outcomes = validated(checks, built)
        publish(built, pages)
    return outcomes


def run(recipe: Recipe, paths: Paths) -> None:
    """Write records.parquet, quarantine.parquet and card.md. Raises PromiseError when too much is broken."""
    folder = paths.stage("validate")
    wanted = checks(recipe, paths)
    tables = {check.name: check.table for check in wanted}
    outcomes = held(wanted, paths.data_docs)
    aside = quarantine(outcomes, tables)
    write_table(folder / "quarantine.parquet", aside)
    broken = faults(outcomes, tables, recipe.validation.tolerated_share)
    if broken:
        raise PromiseError(_message(broken, text_table(outcomes, tables), paths))
    passed = _passing(tables["records"], aside)
    write_table(folder / "records.parquet", passed)
    write_text(folder / "card.md", card(outcomes, tables, len(passed)))
    print(f"{len(outcomes)} promises checked, {aside['record_id'].nunique():,} rows set aside, {len(passed):,} pass")


def _passing(records: pd.DataFrame, aside: pd.DataFrame) -> pd.DataFrame:
    return records[~records["record_id"].isin(aside["record_id"])].reset_index(drop=True)


def _message(broken: Sequence[str], table: str, paths: Paths) -> str:
    return "\n".join(
        [
            f"{paths.recipe}: the data breaks its promises",
            *(f"  - {fault}" for fault in broken),
            "",
            table,
            "",
            f"Failing rows: {paths.stage('validate') / 'quarantine.parquet'}",
            f"Pages:        {paths.data_docs / 'index.html'}",
            f"Mend the source, or the suite in {paths.expectations}, and run the same command again.",
        ]
    )
