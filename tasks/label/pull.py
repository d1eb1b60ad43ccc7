"""Pull: what people answered since the last time lands as label rows under DVC."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tasks import dvc_repo, shards, storage
from tasks.annotations import label_rows
from tasks.label import state
from tasks.label.page import CONTROL
from tasks.label.push import mark
from tasks.label.studio import exchange, projects
from tasks.label.studio.connection import Studio, connected
from tasks.locks import alone
from tasks.manifests import Reading
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import ADJUDICATED, LABEL_COLUMNS, STUDIO, typed

PROJECTS = {STUDIO: "label", ADJUDICATED: "review"}
"""The projects that hold answers, by the source that their label rows name."""

FAULTS_SHOWN = 20


@dataclass(frozen=True)
class Pulled:
    """What one project gave: label rows, what was refused, and the time of the last change seen."""

    project: int
    rows: pd.DataFrame
    refused: tuple[str, ...]
    newest: str | None


def run(recipe: Recipe, paths: Paths) -> None:
    """Land every new answer once, and put the labels under DVC.

    An answer that was changed lands again as a newer row. Raises ServerError when Label Studio does not answer;
    BusyError while a collect or another pull runs.
    """
    with connected() as studio, alone(paths):
        shards.remove_unfinished(paths.labels)
        seen = state.seen(paths, studio.url)
        pulled = dict(_pulled_all(studio, recipe, paths, seen))
        fresh = new_answers(
            pd.concat([one.rows for one in pulled.values()], ignore_index=True) if pulled else label_table([], STUDIO),
            shards.landed(paths.labels, shards.LABEL_KEY),
        )
        readings = [_reading(studio.url, source, one, fresh) for source, one in pulled.items()]
        shards.land(paths.labels, fresh, readings, pd.Timestamp.now("UTC").floor("us"))
        # Also when nothing is new: an earlier pull may have been killed between its shard and this.
        dvc_repo.track(paths.root, [paths.labels], recipe.remote)
        for one in pulled.values():
            seen = seen.with_change(one.project, one.newest)
        state.remember(paths, seen)
    _tell(recipe, paths, pulled, fresh)


def _pulled_all(studio: Studio, recipe: Recipe, paths: Paths, seen: state.Seen) -> Iterable[tuple[str, Pulled]]:
    known = frozenset(shards.landed(paths.raw, ["record_id"])["record_id"])
    for source, what in PROJECTS.items():
        project = projects.found(studio, mark(recipe.name, what))
        if project is not None:
            yield source, _pulled(studio, project, source, seen.changes.get(str(project)), known)


def _pulled(studio: Studio, project: int, source: str, since: str | None, known: frozenset[str]) -> Pulled:
    ids, newest = exchange.changed(studio, project, since)
    rows, refused = label_rows(exchange.exported(studio, project, ids), CONTROL)
    strangers = [row for row in rows if row.get("record_id") not in known]
    notes = tuple(f"task {row['task']}: asks about a record that is not in data/" for row in strangers)
    ours = [row for row in rows if row.get("record_id") in known]
    return Pulled(project, label_table(ours, source), (*refused, *dict.fromkeys(notes)), newest)


def label_table(rows: list[dict[str, Any]], source: str) -> pd.DataFrame:
    """The rows in the columns of a label shard, typed."""
    texts = {name: pd.Series([row.get(name) for row in rows], dtype="str") for name in LABEL_COLUMNS[:3]}
    seconds = pd.to_numeric(pd.Series([row.get("seconds") for row in rows], dtype="object")).astype("float64")
    times = pd.Series([row.get("labelled_at") for row in rows], dtype="str")
    columns = {**texts, "labelled_at": times, "seconds": seconds, "source": source}
    return typed(pd.DataFrame(columns).astype({"source": "str"}))


def new_answers(answers: pd.DataFrame, landed: pd.DataFrame) -> pd.DataFrame:
    """The answers that say something new: no other than the annotator's newest one on the record says it already.

    `landed` holds LABEL_KEY of what has landed. A change of mind (A, then B, then A again) is new each time; an
    annotation that was merely touched is not.
    """
    key = ["source", "record_id", "annotator"]
    before = landed[landed["source"].isin(list(PROJECTS))].sort_values("labelled_at", kind="stable")
    newest = before.drop_duplicates(key, keep="last")[[*key, "label", "labelled_at"]]
    once = answers.sort_values("labelled_at", kind="stable").drop_duplicates([*key, "label"], keep="last")
    beside = once.merge(newest, on=key, how="left", suffixes=("", "_before"))
    same = (beside["label"] == beside["label_before"]) | (beside["labelled_at"] <= beside["labelled_at_before"])
    return beside.loc[~same.to_numpy(), list(answers.columns)].reset_index(drop=True)


def _reading(url: str, source: str, one: Pulled, fresh: pd.DataFrame) -> Reading:
    """Where the rows came from, for the shard's manifest."""
    return Reading(
        name=source,
        url=url,
        member=f"project {one.project}",
        licence="own labels",
        declaration=hashlib.sha256(f"{source} {url} {one.project}".encode()).hexdigest(),
        sha256=None,
        size=None,
        modified_ns=None,
        rows_read=len(one.rows),
        rows_new=int((fresh["source"] == source).sum()),
    )


def _tell(recipe: Recipe, paths: Paths, pulled: dict[str, Pulled], fresh: pd.DataFrame) -> None:
    refused = [note for one in pulled.values() for note in one.refused]
    by_annotator = fresh.groupby("annotator", dropna=False).agg(n=("label", "size"), seconds=("seconds", "median"))
    rows = [(str(who), f"{row.n:,}", f"{row.seconds:.1f}") for who, row in by_annotator.iterrows()]
    parts = [
        f"{len(fresh):,} new answers of {recipe.name} about {fresh['record_id'].nunique():,} records.",
        table(("annotator", "new answers", "seconds each (median)"), rows),
        *([f"Refused {len(refused)}:\n\n" + "\n".join(f"- {note}" for note in refused)] if refused else []),
    ]
    storage.write_text(paths.labelling / "pull.md", "\n\n".join(part.rstrip() for part in parts) + "\n")
    for note in refused[:FAULTS_SHOWN]:
        print(f"refused: {note}", flush=True)
    if len(refused) > FAULTS_SHOWN:
        print(f"refused: and {len(refused) - FAULTS_SHOWN} more, see {paths.labelling / 'pull.md'}", flush=True)
    print(f"{len(fresh):,} new answers about {fresh['record_id'].nunique():,} records", flush=True)
