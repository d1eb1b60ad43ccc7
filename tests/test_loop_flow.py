"""The loop through real flows: an alarm to a promotion on a real small project, and a real automation that starts it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tide_project import answered, foreign, kinds, known_world, traffic
from tiny_project import Project, Servers

from flows import loop_chain, servers
from tasks import ledger

pytest_plugins = ["tiny_project", "small_project"]


@pytest.mark.slow
def test_an_alarm_becomes_a_promotion_and_the_alarm_is_gone(
    small_template: Path, live_servers: Servers, tmp_path: Path
) -> None:
    project = known_world(small_template, tmp_path, live_servers, "looped")
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

    assert len(answered(project, "looped")) == 320
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
