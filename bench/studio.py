"""Our own CPU seconds for tasks with predictions into Label Studio, and three annotations of each out of it.

    tidemill up --studio && python bench/studio.py --tasks 10000

Label Studio's own time is told beside it. The project that is made is deleted at the end.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import pandas as pd

from flows import servers, settings
from tasks import shards
from tasks.label import page, push
from tasks.label.pulled import pulled
from tasks.label.studio import exchange, projects
from tasks.label.studio.connection import Studio, connected
from tasks.markdown import table
from tasks.paths import home, project_root
from tasks.recipe import Labels
from tasks.records import STUDIO, record_id

SCHEME = Labels(classes=("negative", "neutral", "positive"))
PEOPLE = 3
KIND = "classify_text"


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work gave, our own CPU seconds, and seconds by the clock."""
    cpu, clock = time.process_time(), time.monotonic()
    given = work()
    return given, time.process_time() - cpu, time.monotonic() - clock


def task(number: int) -> exchange.Task:
    """A task with a prediction, as `label` makes it."""
    text = f"text number {number} " + "word " * 20
    guess = {
        "model_version": "bench@1",
        "score": 0.5,
        "result": [page.answer(KIND, SCHEME, SCHEME.classes[number % 3])],
    }
    return {"data": {"text": text, "record_id": record_id(text), "domain": "bench"}, "predictions": [guess]}


def answer_all(studio: Studio, project: int) -> None:
    """PEOPLE annotations of each task, planted in the import that takes the tasks' place (this is no figure of ours)."""
    ids = [number for number, _ in exchange.task_keys(studio, project)]
    data = {one["id"]: one["data"] for some in exchange.chunks(ids) for one in exchange.exported(studio, project, some)}
    studio.ask("DELETE", f"/api/projects/{project}/tasks/")
    who = [f"bench-{number}@example.org" for number in range(PEOPLE)]
    known = set(exchange.addresses(studio).values())
    for address in who:
        if address not in known:
            studio.ask("POST", "/api/users/", json={"email": address, "username": address})
    given = [{"completed_by": {"email": a}, "result": [page.answer(KIND, SCHEME, "neutral")]} for a in who]
    for some in exchange.chunks(list(data.values())):
        exchange.add_tasks(studio, project, [{"data": one, "annotations": given} for one in some])


def answers(studio: Studio, project: int, asked: frozenset[str]) -> pd.DataFrame:
    """All answers as label rows that are new."""
    nothing = pd.DataFrame(columns=[*shards.LABEL_KEY, "seconds"], dtype="str")
    before = nothing.astype({"labelled_at": "datetime64[us, UTC]"})
    return pulled(studio, project, STUDIO, None, before, asked).rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10_000)
    number = parser.parse_args().tasks
    folder = home(project_root())
    os.environ.update(settings.studio(folder, servers.studio_up(folder)))
    with connected() as studio:
        made = {"title": "bench", "label_config": page.page(KIND, SCHEME), "maximum_annotations": PEOPLE}
        project = projects.ensured(studio, "[tidemill bench]", made)
        try:
            tasks = [task(position) for position in range(number)]
            asked = frozenset(one["data"]["record_id"] for one in tasks)
            added, cpu_in, clock_in = timed(lambda: push.push(studio, project, tasks))
            answer_all(studio, project)
            landed, cpu_out, clock_out = timed(lambda: answers(studio, project, asked))
        finally:
            studio.ask("DELETE", f"/api/projects/{project}/")
    rows = [
        (f"{added:,} tasks with predictions in", f"{cpu_in:.1f} s", f"{clock_in:.1f} s"),
        (f"{len(landed):,} annotations out", f"{cpu_out:.1f} s", f"{clock_out:.1f} s"),
    ]
    print(table(("", "our own CPU", "by the clock"), rows))


if __name__ == "__main__":
    main()
