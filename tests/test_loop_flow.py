"""The loop through real flows: an alarm to a promotion on a real small project, and a real automation that starts it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from small_project import Project, small_project
from tiny_project import Servers

from flows import loop_chain, servers
from tasks import inference, ledger, registered, storage, tides
from tasks.evaluate.reference import text_statistics
from tasks.label import by_file
from tasks.paths import Paths
from tasks.records import record_id
from tasks.watch.window import STAMP

pytest_plugins = ["tiny_project", "small_project"]

FIRST = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
LOOP = {"labels_per_round": 320, "labels_per_month": 640, "strategy": "random", "ask": "file", "exam_share": 0.6}


def foreign(count: int, seed: int) -> list[str]:
    """English about things that the model's reader has never heard of."""
    rng = np.random.default_rng(seed)
    things = ["".join(rng.choice(list("bdfgklmnprst"), 3)) + "le" for _ in range(600)]
    frame = "the {} of this {} was not only {} but {} with their {} when we had been there for the {}"
    return [frame.format(*rng.choice(things, 6)) for _ in range(count)]


def traffic(project: Project, name: str, texts: list[str], day: int, version: int) -> None:
    """A day's answers of the present model in the log, as the endpoint writes them."""
    folder = project.root / "data" / name / "compress"
    model = inference.load(folder, registered.served_file(folder), 2)
    found = [model.answers([row]) for row in model.encoder.rows(texts)]
    scores = np.vstack([each.probabilities for each in found])
    at = pd.Series([FIRST + timedelta(days=day, minutes=i) for i in range(len(texts))], dtype="datetime64[us, UTC]")
    rows = text_statistics(texts).assign(
        at=at,
        version=version,
        arm="champion",
        record_id=[record_id(text) for text in texts],
        text=texts,
        predicted=[model.classes[place] for place in scores.argmax(axis=1)],
        confidence=scores.max(axis=1),
        embedding=[each.embeddings[0].astype("f2") for each in found if each.embeddings is not None],
        latency_ms=1.0,
    )
    written = FIRST + timedelta(days=day + 1)
    storage.write_table(project.home / "traffic" / name / f"{written.strftime(STAMP)}-abcdef.parquet", rows)


def kinds(project: Project, name: str) -> list[str]:
    return [entry.kind for entry in ledger.entries(project.home, name)]


@pytest.mark.slow
def test_an_alarm_becomes_a_promotion_and_the_alarm_is_gone(
    small_template: Path, live_servers: Servers, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "loop": LOOP,
        "label": {"overlap_share": 0.0},
        "drift": {"window_rows": 100},
        "gate": {"max_latency_ms": None, "max_latency_ratio": None},
    }
    project = small_project(small_template, tmp_path, live_servers, "looped", **settings)
    project.tidemill("run", "looped")
    paths = Paths(project.root, "looped")
    known = storage.read_table(paths.stage("split") / "test.parquet")["text"].tolist()
    traffic(project, "looped", known, 0, 1)
    assert "no alarm is open: nobody is asked, nothing is trained" in project.tidemill("loop", "looped")
    assert kinds(project, "looped") == ["verdict", "promotion"]

    traffic(project, "looped", foreign(900, 1), 1, 1)
    with project.start("loop", "looped") as child:
        deadline = time.monotonic() + 120
        while "drift" not in kinds(project, "looped"):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        refused = project.tidemill("loop", "looped", exit_code=1)
        assert f"error: looped.loop: process {child.pid} since" in refused
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    told = json.loads(project.tidemill("loop", "looped", "--json"))
    assert told["next"] == "wait"
    assert [each["kind"] for each in told["chain"]] == ["drift", "question"]

    file = by_file.file(paths, tides.standing(ledger.entries(project.home, "looped")))
    questions = pd.read_csv(file, keep_default_na=False)
    assert len(questions) == 320
    storage.write_text(file, questions.assign(label="0", annotator="ann").to_csv(index=False))
    assert "promotion" in project.tidemill("loop", "looped")
    entries = ledger.entries(project.home, "looped")[2:]
    assert [entry.kind for entry in entries] == ["drift", "question", "answers", "verdict", "promotion"]
    assert [entry.evidence["cause"] for entry in entries[1:]] == [ledger.seal(entry) for entry in entries[:-1]]
    assert entries[3].evidence["claim"]["slice"] == "tide 1"

    traffic(project, "looped", foreign(150, 2), 3, 2)
    assert "no drift in 150 answers of looped@2" in project.tidemill("watch", "looped")


@pytest.fixture
def own(offline_project: Project, live_servers: Servers) -> Iterator[Project]:
    """The tiny project with the shared servers as its own, so that it keeps a worker too."""
    yield Project(offline_project.root, {**offline_project.environment, "TIDEMILL_HOME": str(live_servers.home)})
    servers.down(live_servers.home, ["worker"])


def asked(live: Servers, what: str, **body: Any) -> list[dict[str, Any]]:
    answer = httpx.post(f"{live.urls['prefect']}/api/{what}/filter", json=body)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


@pytest.mark.slow
def test_a_drift_event_starts_the_loop_through_an_automation_until_it_is_taken_off(
    own: Project, live_servers: Servers
) -> None:
    own.order("go")
    assert own.tidemill("schedule", "tiny", "--loop") == "tiny (loop): on each alarm, and when people have answered\n"
    (automation,) = [each for each in asked(live_servers, "automations") if each["name"] == "tidemill loop tiny"]
    assert set(automation["trigger"]["expect"]) == {"tidemill.loop.answered", "tidemill.watch.drift"}
    for recipe in ("other", "tiny"):
        event = {
            "occurred": datetime.now(UTC).isoformat(),
            "event": "tidemill.watch.drift",
            "resource": loop_chain.resource(recipe),
            "id": f"00000000-0000-4000-8000-00000000000{len(recipe)}",
        }
        httpx.post(f"{live_servers.urls['prefect']}/api/events", json=[event]).raise_for_status()
    runs: list[dict[str, Any]] = []
    deadline = time.monotonic() + 120
    # The servers are shared: other tests have run loops of their own.
    mine = {"flows": {"name": {"any_": ["loop"]}}, "deployments": {"name": {"any_": ["tiny"]}}}
    while not runs or runs[0]["state_type"] not in ("COMPLETED", "FAILED", "CRASHED"):
        assert time.monotonic() < deadline, runs
        time.sleep(0.5)
        runs = asked(live_servers, "flow_runs", **mine)
    assert [run["state_type"] for run in runs] == ["COMPLETED"], runs[0]["state"]
    assert runs[0]["created_by"]["type"] == "AUTOMATION"
    children = asked(live_servers, "flow_runs", flow_runs={"parent_flow_run_id": {"any_": [runs[0]["id"]]}})
    assert [(child["name"], child["tags"]) for child in children] == [("watch tiny", ["tiny tide 1"])]

    assert "nothing is scheduled" in own.tidemill("schedule", "tiny", "--loop", "--remove")
    assert [each for each in asked(live_servers, "automations") if each["name"] == "tidemill loop tiny"] == []
