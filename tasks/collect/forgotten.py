"""What a source brings of records that were forgotten is left out, and what was fetched with it does not stay."""

import shutil
from collections.abc import Iterable
from dataclasses import replace

from tasks import tombstones
from tasks.collect.fetch import kept_file
from tasks.collect.incoming import Incoming
from tasks.paths import Paths
from tasks.recipe import Table


def left_out(came: Incoming, marks: frozenset[str]) -> tuple[Incoming, list[str]]:
    """What came without the forgotten records and their label rows, and the sources that brought some."""
    if not marks:
        return came, []
    tables = {**came.records, **{name: rows.table for name, rows in came.labels.items()}}
    refused = {name: tombstones.forgotten(table["record_id"], marks) for name, table in tables.items()}
    kept = {name: table[~refused[name]].reset_index(drop=True) for name, table in tables.items()}
    records = {name: kept[name] for name in came.records}
    labels = {name: replace(rows, table=kept[name]) for name, rows in came.labels.items()}
    return replace(came, records=records, labels=labels), [name for name, found in refused.items() if found.any()]


def remove_fetched(sources: Iterable[Table], paths: Paths) -> None:
    """Remove the downloads of these sources: a forgotten record stands in them. A file of the user's own stays."""
    for source in sources:
        kept_file(source, paths).unlink(missing_ok=True)
        dataset = source.url.partition(":")[2].split("@")[0].replace("/", "___")
        for folder in (paths.home / "hub").glob(f"{dataset}*") if source.url.startswith("hf:") else ():
            shutil.rmtree(folder)
        print(f"{source.name}: still brings records that were forgotten; they are left out", flush=True)
