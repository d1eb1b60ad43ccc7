"""What a run leaves in Prefect for people to look at."""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows.outcome import of_release
from flows.steps import Result, Step
from tasks import storage
from tasks.paths import Paths

LAST_LINES = 20


def key(*parts: str) -> str:
    """An artifact's key: lower case letters, figures and dashes are all that Prefect takes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def card(paths: Paths, step: Step, lines: Sequence[str] = ()) -> None:
    """Show the stage's card (without one: its last lines), unless this very page was the last one shown here."""
    page = step.card.read_text(encoding="utf-8") if step.card and step.card.is_file() else _quoted(lines)
    if not page:
        return
    shown_file = paths.home / "cards" / f"{paths.recipe}.json"
    known = storage.read_json(shown_file) if shown_file.is_file() else {}
    mark = hashlib.sha256(f"{os.environ.get('PREFECT_API_URL')}\n{page}".encode()).hexdigest()
    if known.get(step.name) == mark:
        return
    create_markdown_artifact(page, key=key(paths.recipe, step.name), description=f"{step.name} of {paths.recipe}")
    storage.write_json(shown_file, {**known, step.name: mark})


def _quoted(lines: Sequence[str]) -> str:
    return "\n".join(["```", *lines[-LAST_LINES:], "```"]) if lines else ""


def links(paths: Paths, stage: str) -> None:
    """Links to pages outside Prefect that the stage has made."""
    if stage == "validate" and (page := _index(paths.data_docs)):
        create_link_artifact(
            page.as_uri(),
            link_text=str(page),
            key=key(paths.recipe, "data-docs"),
            description="Great Expectations' Data Docs, a file on this machine: copy the path into a browser",
        )
    if stage == "release" and (outcome := of_release(paths)) and outcome["url"]:
        create_link_artifact(
            outcome["url"],
            link_text=f"{paths.recipe} version {outcome['version']} in MLflow",
            key=key(paths.recipe, "report"),
            description=f"{outcome['alias']}: {outcome['verdict']}",
        )


def _index(folder: Path) -> Path | None:
    """The first page of a site that was built into the folder."""
    return min(folder.rglob("index.html"), key=lambda page: len(page.parts), default=None) if folder.is_dir() else None


def summary(recipe: str, results: Sequence[Result]) -> None:
    """A table of all stages: state and seconds."""
    rows = [{"stage": r.stage, "state": r.state, "seconds": round(r.seconds, 1)} for r in results]
    create_table_artifact(rows, key=key(recipe, "summary"), description=f"The stages of {recipe}")
