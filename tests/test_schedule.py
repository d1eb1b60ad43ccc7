"""Schedules on a real Prefect server: made, listed, run by the worker, removed."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tiny_project import Project, Servers

from flows import schedule, servers
from tasks.errors import RecipeError

pytest_plugins = ["tiny_project"]

ROOT = Path(__file__).parents[1]


@pytest.fixture
def own(offline_project: Project, live_servers: Servers) -> Iterator[Project]:
    """The tiny project with the shared servers as its own, so that it keeps a worker too."""
    yield Project(offline_project.root, {**offline_project.environment, "TIDEMILL_HOME": str(live_servers.home)})
    servers.down(live_servers.home, ["worker"])


def deployments(live: Servers, path: str = "deployments/filter") -> list[dict[str, Any]]:
    answer = httpx.post(f"{live.urls['prefect']}/api/{path}", json={})
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def started(url: str) -> str:
    """The id of a new run; a server that says to come back (its database is being written) is asked again."""
    deadline = time.monotonic() + 30
    while (answer := httpx.post(url, json={}, timeout=30)).status_code >= 500 and time.monotonic() < deadline:
        time.sleep(1)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


def ended(live: Servers, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        run: dict[str, Any] = httpx.get(f"{live.urls['prefect']}/api/flow_runs/{run_id}").json()
        if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return run
        time.sleep(0.5)
    raise AssertionError(f"{run_id} did not end")


def test_a_schedule_is_made_run_by_the_worker_and_removed(own: Project, live_servers: Servers) -> None:
    (row,) = json.loads(own.tidemill("schedule", "tiny", "--cron", "0 3 * * *", "--timezone", "Europe/Paris", "--json"))
    assert row == {
        "recipe": "tiny",
        "runs": "lifecycle",
        "cron": "0 3 * * *",
        "timezone": "Europe/Paris",
        "active": True,
    }
    assert servers.status(live_servers.home)[2].state == "healthy"
    (deployment,) = deployments(live_servers)
    assert deployment["concurrency_limit"] == 1 or deployment["global_concurrency_limit"]["limit"] == 1
    assert deployment["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"

    url = f"{live_servers.urls['prefect']}/api/deployments/{deployment['id']}/create_flow_run"
    run = ended(live_servers, started(url))
    assert run["state_type"] == "COMPLETED", run["state"]
    assert (own.root / "data" / "tiny" / "train" / "card.md").is_file()

    assert own.tidemill("schedule", "tiny", "--cron", "30 4 * * 1") == "tiny: 30 4 * * 1 (UTC)\n"
    assert "nothing is scheduled" in own.tidemill("schedule", "tiny", "--remove")
    assert deployments(live_servers) == []


@pytest.mark.parametrize("cron", ["every day", "61 * * * *", "* * * *", "0 0 3 * * *", ""])
def test_a_cron_line_that_is_none_is_refused(cron: str) -> None:
    with pytest.raises(RecipeError, match="is no cron line of minute, hour, day, month and weekday"):
        schedule.require_valid(cron, "UTC")


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 8-18 * * 1-5", "0 0 1 jan mon"])
def test_a_cron_line_that_is_one_is_taken(cron: str) -> None:
    schedule.require_valid(cron, "Europe/Paris")


def test_a_schedule_that_cannot_be_is_one_line_before_any_server_starts(offline_project: Project) -> None:
    words = ("schedule", "tiny", "--cron", "0 3 * * *", "--timezone", "Paris")
    output = offline_project.tidemill(*words, exit_code=1)
    assert output == "error: --timezone 'Paris': is no known time zone; write one such as Europe/Paris, or UTC\n"
    assert not (offline_project.home / "servers").exists()


def test_prefect_yaml_deploys_every_recipe_as_it_stands(tmp_path: Path, live_servers: Servers) -> None:
    shutil.copy(ROOT / "prefect.yaml", tmp_path)
    shutil.copytree(ROOT / "flows", tmp_path / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PREFECT_API_URL": f"{live_servers.urls['prefect']}/api", "DO_NOT_TRACK": "1"}
    environment["PREFECT_HOME"] = str(live_servers.home / "prefect")
    for words in (["work-pool", "create", "tidemill", "--type", "process", "--overwrite"], ["deploy", "--all"]):
        command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    found = {one["name"]: one for one in deployments(live_servers)}
    assert set(found) == {"feedback-on-demand", "inbox-on-demand"}
    (step,) = found["inbox-on-demand"]["pull_steps"]
    assert step["prefect.deployments.steps.set_working_directory"]["directory"] == str(tmp_path)
    for one in found.values():
        httpx.delete(f"{live_servers.urls['prefect']}/api/deployments/{one['id']}").raise_for_status()
