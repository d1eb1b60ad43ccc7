"""Answers that pull themselves: a real Label Studio tells the receiver, which is killed in between, and the loop goes on."""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import psutil
import pytest
from label_project import fill, landed_labels, recipe_of
from real_studio import RealStudio, annotate_as, task_of
from tiny_project import Servers

from flows import label_hooks, label_receiver, schedule, server_commands, server_state, servers, steps
from tasks import ledger, shards, storage
from tasks.label import ask, gather, push, run
from tasks.label.studio import exchange, projects
from tasks.label.studio.connection import Studio
from tasks.paths import Paths
from tasks.recipe import Recipe

pytest_plugins = ["tiny_project", "real_studio", "label_project"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning"),  # DVC's use of pygtrie
]

REPOSITORY = Path(__file__).parents[1]
PATIENCE_S = 120.0


@pytest.fixture
def project(
    paths: Paths, live_studio: RealStudio, live_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Paths]:
    """A project with our own code and graph, at home where Label Studio was started."""
    for name in ("tasks", "flows", "expectations"):
        shutil.copytree(REPOSITORY / name, paths.root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(REPOSITORY / "dvc.yaml", paths.root)
    storage.write_text(paths.root / "recipes" / "shop.yaml", recipe_of().model_dump_json(by_alias=True))
    storage.write_text(paths.root / "recipes" / "all.yaml", "recipes: [shop]\n")
    monkeypatch.setenv("TIDEMILL_HOME", str(live_studio.home))
    monkeypatch.setenv("PREFECT_API_URL", f"{live_servers.urls['prefect']}/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", live_servers.urls["mlflow"])
    monkeypatch.setenv("PYTHONPATH", str(paths.root))
    monkeypatch.setitem(server_commands.PREFERRED_PORTS, "receiver", 0)
    monkeypatch.chdir(paths.root)
    yield paths
    servers.down(live_studio.home, ("worker", "receiver"))
    for folder in (label_receiver.queue(live_studio.home), live_studio.home / "ledger"):
        shutil.rmtree(folder, ignore_errors=True)


def eventually(true: Callable[[], bool], home: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, server_state.log_file(home, "receiver").read_text()
        time.sleep(0.1)


def power_cut(home: Path) -> None:
    """The receiver and whatever it has started end at once."""
    started = server_state.read(home, "receiver")
    assert started is not None
    receiver = psutil.Process(started.process.pid)
    for process in (receiver, *receiver.children(recursive=True)):
        process.kill()


def children(home: Path) -> int:
    started = server_state.read(home, "receiver")
    return len(psutil.Process(started.process.pid).children()) if started else 0


def test_every_answer_lands_once_although_the_receiver_is_killed_amid_a_pull(
    studio: Studio, live_studio: RealStudio, project: Paths
) -> None:
    home, recipe = live_studio.home, recipe_of()
    records = fill(project, ["one", "two", "three", "four"])["record_id"].tolist()
    run.run(recipe, project)
    tasks = [task_of(studio, recipe, name) for name in records]

    def landed() -> list[str]:
        return landed_labels(project)["record_id"].tolist()

    annotate_as(studio, tasks[0], "ann@example.org", "ham")
    assert "pulled by themselves" in label_hooks.watch(steps.opened("shop"), live_studio.url)
    eventually(lambda: children(home) > 0, home)
    power_cut(home)
    assert landed() in ([], records[:1])
    annotate_as(studio, tasks[1], "ann@example.org", "spam")
    servers.receiver_up(home)
    eventually(lambda: len(landed()) == 2, home)
    eventually(lambda: children(home) == 0, home)
    for task in tasks[2:]:
        annotate_as(studio, task, "bob@example.org", "ham")
    eventually(lambda: len(landed()) == 4 and children(home) == 0, home)
    assert sorted(landed()) == sorted(records)
    assert not list(label_receiver.queue(home).glob("*.new"))
    consensus = storage.read_table(project.stage("annotate") / "consensus.parquet")
    assert sorted(consensus["record_id"]) == sorted(records)


def asked_about_a_tide(recipe: Recipe, paths: Paths) -> None:
    """An alarm about the traffic of a champion, and its first question in Label Studio."""
    since = datetime(2026, 11, 1, tzinfo=UTC)
    until = since + timedelta(days=1)
    ledger.append(paths.home, "shop", "promotion", 1, {"reason": "it is the first version"})
    ledger.append(paths.home, "shop", "drift", 1, {"since": since.isoformat(), "until": until.isoformat()})
    rows = pd.DataFrame(
        {"text": [f"a text of the tide, number {i}" for i in range(60)], "version": 1, "arm": "champion"}
    )
    rows["at"] = pd.Series(until, index=rows.index, dtype="datetime64[us, UTC]")
    storage.write_table(paths.traffic / f"{until:%Y%m%dT%H%M%S.%fZ}-000001.parquet", rows)
    gather.run(recipe, paths)
    landed = shards.landed(paths.raw, ["record_id", "text", "source", "domain", "group"])
    storage.write_table(paths.stage("prepare") / "records.parquet", landed)
    ask.run(recipe, paths)


def test_answers_alone_bring_the_loop_to_its_next_decision(
    studio: Studio, live_studio: RealStudio, live_servers: Servers, project: Paths
) -> None:
    home, loop = live_studio.home, {"labels_per_round": 12, "labels_per_month": 24, "strategy": "random"}
    recipe = recipe_of(loop={**loop, "answered": 1.0, "ask": "studio"})
    storage.write_text(project.root / "recipes" / "shop.yaml", recipe.model_dump_json(by_alias=True))
    turn = steps.opened("shop")
    with schedule.reaching(live_servers.urls):
        schedule.put_loop(turn)
    try:
        servers.worker_up(home, live_servers.urls)
        asked_about_a_tide(recipe, project)
        label_hooks.watch(turn, live_studio.url)
        tasks = exchange.task_keys(studio, projects.required(studio, push.mark("shop"), "shop"))
        assert len(tasks) == 12
        for number, _ in tasks:
            annotate_as(studio, number, "ann@example.org", "ham")
            annotate_as(studio, number, "bob@example.org", "spam")
        eventually(lambda: ledger.entries(home, "shop")[-1].kind == "stop", home)
    finally:
        with schedule.reaching(live_servers.urls):
            schedule.remove(turn.paths, "loop")
    history = ledger.entries(home, "shop")
    assert [entry.kind for entry in history] == ["promotion", "drift", "question", "stop"]
    assert history[-1].evidence["reason"].startswith("the labels disagree too much: 50% of the answers on 12 shared")
    assert history[-1].evidence["cause"] == ledger.seal(history[-2])
    assert len(landed_labels(project)) == 24
