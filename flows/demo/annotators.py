"""Stand-ins for people: they answer what the loop asks, right but for a stated share of the answers."""

import numpy as np
import pandas as pd

from flows.demo.project import NAME, Project
from tasks import storage
from tasks.label import by_file, stand_in
from tasks.ledger import entries
from tasks.paths import Paths
from tasks.recipe import load
from tasks.tides import standing

PEOPLE = 3
ERROR_RATE = 0.05


def answer(project: Project, truth: pd.DataFrame, *, studio: bool) -> None:
    """Let them answer the whole open round, in Label Studio or in the file."""
    if studio:
        file = project.root / "world" / "truth.csv"
        storage.write_text(file, truth[["record_id", "label"]].to_csv(index=False))
        words = ("--truth", str(file), "--annotators", str(PEOPLE), "--error-rate", str(ERROR_RATE))
        project.run("labels", "simulate", NAME, *words)
        return
    recipe = load(project.root / "recipes" / f"{NAME}.yaml")
    file = by_file.file(Paths(project.root, NAME), standing(entries(project.home, NAME)))
    questions = pd.read_csv(file, dtype="str", keep_default_na=False)
    rng = np.random.default_rng([recipe.seed, len(questions)])
    known = dict(zip(truth["record_id"], truth["label"], strict=True))
    opinion = stand_in.answering(known, recipe.labels, ERROR_RATE, rng)
    shared = questions.head(round(len(questions) * recipe.label.overlap_share))
    rows = [questions.assign(annotator="stand-in 1")]
    rows += [shared.assign(annotator=f"stand-in {number}") for number in range(2, recipe.label.overlap + 1)]
    given = pd.concat(rows, ignore_index=True)
    labels = [opinion({"record_id": name}) or "" for name in given["record_id"]]
    storage.write_text(file, given.assign(label=labels).to_csv(index=False))
