"""A small real project in whose traffic a tide comes in: what the test of the loop and its benchmark share."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from small_project import Project, small_project
from tiny_project import Servers

from tasks import inference, ledger, registered, storage, tides
from tasks.evaluate.reference import text_statistics
from tasks.label import by_file
from tasks.paths import Paths
from tasks.records import record_id
from tasks.watch.window import STAMP

FIRST = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
LOOP = {"labels_per_round": 320, "labels_per_month": 640, "strategy": "random", "ask": "file", "exam_share": 0.6}


def foreign(count: int, seed: int) -> list[str]:
    """English about things that the model's reader has never heard of."""
    rng = np.random.default_rng(seed)
    things = ["".join(rng.choice(list("bdfgklmnprst"), 3)) + "le" for _ in range(600)]
    frame = "the {} of this {} was not only {} but {} with their {} when we had been there for the {}"
    return [frame.format(*rng.choice(things, 6)) for _ in range(count)]


def answers_of(folder: Path, texts: list[str], version: int) -> pd.DataFrame:
    """What the served model in the folder says of the texts, in the columns of the traffic log but for time and latency."""
    model = inference.load(folder, registered.served_file(folder), 2)
    found = [model.answers([row]) for row in model.encoder.rows(texts)]
    scores = np.vstack([each.probabilities for each in found])
    return text_statistics(texts).assign(
        version=version,
        arm="champion",
        record_id=[record_id(text) for text in texts],
        text=texts,
        predicted=[model.classes[place] for place in scores.argmax(axis=1)],
        confidence=scores.max(axis=1),
        embedding=[each.embeddings[0].astype("f2") for each in found if each.embeddings is not None],
    )


def traffic(project: Project, name: str, texts: list[str], day: int, version: int) -> None:
    """A day's answers of the present model in the log, as the endpoint writes them."""
    at = pd.Series([FIRST + timedelta(days=day, minutes=i) for i in range(len(texts))], dtype="datetime64[us, UTC]")
    rows = answers_of(project.root / "data" / name / "compress", texts, version).assign(at=at, latency_ms=1.0)
    written = FIRST + timedelta(days=day + 1)
    storage.write_table(project.home / "traffic" / name / f"{written.strftime(STAMP)}-abcdef.parquet", rows)


def kinds(project: Project, name: str) -> list[str]:
    return [entry.kind for entry in ledger.entries(project.home, name)]


def known_world(template: Path, folder: Path, servers: Servers, name: str) -> Project:
    """The project with version 1 as champion, and a day of its own test texts in the log."""
    settings: dict[str, Any] = {
        "loop": LOOP,
        "label": {"overlap_share": 0.0},
        "drift": {"window_rows": 100},
        "gate": {"max_latency_ms": None, "max_latency_ratio": None},
    }
    project = small_project(template, folder, servers, name, **settings)
    project.tidemill("run", name)
    known = storage.read_table(Paths(project.root, name).stage("split") / "test.parquet")["text"].tolist()
    traffic(project, name, known, 0, 1)
    return project


def answered(project: Project, name: str, label: str = "0") -> list[str]:
    """The ids of the records in the open question's file, after somebody gave them all the same answer."""
    file = by_file.file(Paths(project.root, name), tides.standing(ledger.entries(project.home, name)))
    questions = pd.read_csv(file, keep_default_na=False)
    storage.write_text(file, questions.assign(label=label, annotator="ann").to_csv(index=False))
    return [str(one) for one in questions["record_id"]]
