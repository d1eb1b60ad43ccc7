"""Pull: what people answered since the last time lands as label rows under DVC."""

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence

import pandas as pd

from tasks import dvc_repo, shards, storage
from tasks.label import state
from tasks.label.corrections import Corrections, corrections
from tasks.label.pulled import Pulled, pulled
from tasks.label.push import mark
from tasks.label.studio import projects
from tasks.label.studio.connection import URL_VARIABLE, Studio, connected, named
from tasks.locks import alone
from tasks.manifests import Reading
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import ADJUDICATED, CORRECTED, STUDIO

PROJECTS = {STUDIO: "label", ADJUDICATED: "review"}
"""The projects that hold answers, by the source that their label rows name."""

FAULTS_SHOWN = 20


def run(recipe: Recipe, paths: Paths) -> None:
    """Land every new answer, and every correction of the endpoint's users, once, and put them under DVC.

    An answer that was changed lands again as a newer row, one that was taken back as a row without a label. While no
    Label Studio is named in the environment, the corrections alone land. Raises ServerError when it does not answer;
    BusyError while a collect or another pull runs.
    """
    with contextlib.ExitStack() as stack:
        studio = stack.enter_context(connected()) if named() else None
        stack.enter_context(alone(paths))
        for folder in (paths.raw, paths.labels):
            shards.remove_unfinished(folder)
        corrected = corrections(recipe, paths)
        given = _of_projects(studio, recipe, paths) if studio is not None else {}
        fresh = _landed(recipe, paths, given, corrected)
        if studio is not None:
            _remember(studio, paths, given)
    _tell(recipe, paths, fresh, [*corrected.refused, *(note for one in given.values() for note in one.refused)])


def _of_projects(studio: Studio, recipe: Recipe, paths: Paths) -> dict[str, Pulled]:
    """What each project gave, by source."""
    seen = state.seen(paths, studio.url).changes
    known = frozenset(shards.landed(paths.raw, ["record_id"])["record_id"])
    before = shards.landed(paths.labels, [*shards.LABEL_KEY, "seconds"])
    found = {source: projects.found(studio, mark(recipe.name, what)) for source, what in PROJECTS.items()}
    return {
        source: pulled(studio, project, source, seen.get(str(project)), before, known)
        for source, project in found.items()
        if project is not None
    }


def _landed(recipe: Recipe, paths: Paths, given: Mapping[str, Pulled], corrected: Corrections) -> pd.DataFrame:
    """The label rows that landed, after the records that came with corrections."""
    now = pd.Timestamp.now("UTC").floor("us")
    tables = [*(one.rows for one in given.values()), corrected.labels]
    fresh = pd.concat(tables, ignore_index=True)
    readings = [_reading(name, f"project {one.project}", one.read, one.rows) for name, one in given.items()]
    if corrected.lines:
        readings.append(_reading(CORRECTED, None, corrected.lines, corrected.labels))
    stamped = corrected.records.assign(collected_at=pd.Series(now, index=corrected.records.index))
    shards.land(paths.raw, stamped, [_reading(CORRECTED, None, corrected.lines, stamped)], now)
    shards.land(paths.labels, fresh, readings, now)
    # Also when nothing is new: an earlier pull may have been killed between its shard and this.
    dvc_repo.track(paths.root, [paths.raw, paths.labels], recipe.remote)
    return fresh


def _remember(studio: Studio, paths: Paths, given: Mapping[str, Pulled]) -> None:
    seen = state.seen(paths, studio.url)
    for one in given.values():
        seen = seen.with_change(one.project, one.newest)
    state.remember(paths, seen)


def _reading(source: str, member: str | None, read: int, fresh: pd.DataFrame) -> Reading:
    """Where the rows came from, for the shard's manifest."""
    url = os.environ.get(URL_VARIABLE, "") if source in PROJECTS else "POST /v1/feedback"
    return Reading(
        name=source,
        url=url,
        member=member,
        licence="own labels",
        declaration=hashlib.sha256(f"{source} {url} {member}".encode()).hexdigest(),
        sha256=None,
        size=None,
        modified_ns=None,
        rows_read=read,
        rows_new=len(fresh),
    )


def _tell(recipe: Recipe, paths: Paths, fresh: pd.DataFrame, refused: Sequence[str]) -> None:
    answers, withdrawn = fresh[fresh["label"].notna()], int(fresh["label"].isna().sum())
    by_annotator = answers.groupby("annotator", dropna=False).agg(n=("label", "size"), seconds=("seconds", "median"))
    rows = [(str(who), f"{row.n:,}", f"{row.seconds:.1f}") for who, row in by_annotator.iterrows()]
    back = f", {withdrawn:,} taken back" if withdrawn else ""
    said = f"{len(answers):,} new answers about {answers['record_id'].nunique():,} records{back}"
    parts = [
        f"{recipe.name}: {said}.",
        table(("annotator", "new answers", "seconds each (median)"), rows),
        *([f"Refused {len(refused)}:\n\n" + "\n".join(f"- {note}" for note in refused)] if refused else []),
    ]
    storage.write_text(paths.labelling / "pull.md", "\n\n".join(part.rstrip() for part in parts) + "\n")
    for note in refused[:FAULTS_SHOWN]:
        print(f"refused: {note}", flush=True)
    if len(refused) > FAULTS_SHOWN:
        print(f"refused: and {len(refused) - FAULTS_SHOWN} more, see {paths.labelling / 'pull.md'}", flush=True)
    print(said, flush=True)
