"""Questions as a CSV file that people fill in, for a loop without Label Studio: record_id, text, label, annotator.

A second opinion on a record is one more row with another annotator.
"""

import hashlib
from pathlib import Path

import pandas as pd

from tasks import dvc_repo, ledger, shards, storage
from tasks.errors import TidemillError, listed
from tasks.label.gather import of_round
from tasks.label.page import answers
from tasks.label_rows import label_table
from tasks.locks import alone
from tasks.manifests import Reading
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.tides import Standing, standing

COLUMNS = ["record_id", "text", "label", "annotator"]
SOURCE = "answers"
"""Of the label rows that came by such a file."""

HEAD_LINES = 2
"""The line of the first row, in an editor that counts from 1."""


def file(paths: Paths, now: Standing) -> Path:
    """The file of the tide's round."""
    return paths.labelling / "questions" / f"{now.tide}.{now.round}.csv"


def written(paths: Paths, now: Standing, records: pd.DataFrame) -> Path:
    """The file, made unless it is there: people may be at it."""
    path = file(paths, now)
    if not path.is_file():
        table = records[["record_id", "text"]].assign(label="", annotator="")
        storage.write_text(path, table[COLUMNS].to_csv(index=False))
    return path


def run(recipe: Recipe, paths: Paths) -> None:
    """Land what was filled in since the last time, and put the labels under DVC.

    Raises TidemillError that names every row whose label is none.
    """
    now = standing(ledger.entries(paths.home, recipe.name))
    path = file(paths, now)
    if now.next != "wait" or not path.is_file():
        return
    with alone(paths):
        shards.remove_unfinished(paths.labels)
        rows = filled_in(path, answers(recipe.labels))
        # A row of a record that was forgotten since speaks of nothing.
        rows = rows[rows["record_id"].isin(of_round(paths, now)["record_id"])]
        fresh = shards.new_labels(rows, shards.landed(paths.labels, shards.LABEL_KEY))
        shards.land(paths.labels, fresh, [_reading(path, len(rows), len(fresh))], pd.Timestamp.now("UTC").floor("us"))
        dvc_repo.track(paths.root, [paths.labels], recipe.remote)
    print(f"{len(fresh):,} new answers about {fresh['record_id'].nunique():,} records", flush=True)


def filled_in(path: Path, possible: tuple[str, ...]) -> pd.DataFrame:
    """The label rows of the rows that have a label. Raises TidemillError like `run`."""
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise TidemillError(f"{path}: is no CSV in UTF-8 ({' '.join(str(error).split())}); save it as such") from error
    if missing := [name for name in COLUMNS if name not in table]:
        raise TidemillError(f"{path}: has no column {missing[0]!r}; keep the columns {', '.join(COLUMNS)}")
    given = table.assign(label=table["label"].str.strip(), annotator=table["annotator"].str.strip())
    given = given[given["label"] != ""]
    wrong = given[~given["label"].isin(possible)]
    if len(wrong):
        places = [int(place) + HEAD_LINES for place in wrong.index.to_numpy()]
        faults = [
            f"line {place}: {label!r} is none of {', '.join(possible)}"
            for place, label in zip(places, wrong["label"], strict=True)
        ]
        raise TidemillError(listed(faults[:20], str(path)))
    known = given.assign(annotator=given["annotator"].where(given["annotator"] != ""))
    return label_table(known[["record_id", "annotator", "label"]].to_dict("records"), SOURCE)


def _reading(path: Path, read: int, new: int) -> Reading:
    return Reading(
        name=SOURCE,
        url=f"file:{path.name}",
        member=None,
        licence="own labels",
        declaration=hashlib.sha256(f"{SOURCE} {path.name}".encode()).hexdigest(),
        sha256=storage.sha256_file(path),
        size=None,
        modified_ns=None,
        rows_read=read,
        rows_new=new,
    )
