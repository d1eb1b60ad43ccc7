"""Readers that do the same work once in a run: sources often share a file."""

from collections.abc import Callable
from pathlib import Path

from tasks.collect.fetch import local_file
from tasks.collect.reading import Part, parts
from tasks.errors import TidemillError
from tasks.paths import Paths
from tasks.recipe import Origin, Table

READ_BY = {"url", "sha256", "member", "format", "header", "encoding", "query", "split", "limit", "pixels"}
"""What decides the rows of a table."""


def fetching(paths: Paths) -> Callable[[Origin], Path]:
    """`local_file` that fetches each URL once, and fails once: a lost network is not waited for eight times."""
    outcomes: dict[tuple[str, str | None], Path | TidemillError] = {}

    def fetch(origin: Origin) -> Path:
        key = (origin.url, origin.sha256)
        if key not in outcomes:
            try:
                outcomes[key] = local_file(origin, paths)
            except TidemillError as error:
                outcomes[key] = error
        found = outcomes[key]
        if isinstance(found, TidemillError):
            raise found
        return found

    return fetch


def reading(paths: Paths, fetch: Callable[[Origin], Path]) -> Callable[[Table], list[Part]]:
    """`parts` that reads each table once."""
    known: dict[str, list[Part]] = {}

    def read(source: Table) -> list[Part]:
        label = source.columns.get("label") if source.format == "label_studio" else None
        key = f"{source.model_dump_json(include=READ_BY)} {label}"
        if key not in known:
            known[key] = parts(source, paths, fetch)
        return known[key]

    return read
