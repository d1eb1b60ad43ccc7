"""The lifecycle flow through a real Prefect server, on a tiny DVC project."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tiny_project import Project, Servers, running_in

from flows import artifacts, orphans, run_lock, server_state, servers
from flows.process_tree import identity
from tasks.errors import BusyError

pytest_plugins = ["tiny_project"]

STAGES = ["collect", "prepare", "train", "measure", "release"]


class Prefect:
    """What the Prefect server has to say, over its HTTP API."""

    def __init__(self, url: str) -> None:
        self._api = httpx.Client(base_url=f"{url}/api", timeout=30)

    def ask(self, what: str, **body: Any) -> list[dict[str, Any]]:
        answer = self._api.post(f"{what}/filter", json={"limit": 100, **body})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def newest_run(self) -> dict[str, Any]:
        return self.ask("flow_runs", sort="START_TIME_DESC", limit=1)[0]

    def states(self, run: dict[str, Any]) -> dict[str, str]:
        """The state of each task run, by its name. They are recorded a moment after the run has ended."""
        of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = self.ask("task_runs", **of_run)
            if found and all(one["state_name"] not in ("Running", "Pending") for one in found):
                break
            time.sleep(0.3)
        return {one["name"]: one["state_name"] for one in found}

    def artifacts(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {one["key"]: one for one in self.ask("artifacts", flow_runs={"id": {"any_": [run["id"]]}})}

    def logs(self, run: dict[str, Any]) -> list[str]:
        return [one["message"] for one in self.ask("logs", logs={"flow_run_id": {"any_": [run["id"]]}})]

    def close(self) -> None:
        self._api.close()


@pytest.fixture
def prefect(live_servers: Servers) -> Iterator[Prefect]:
    with contextlib.closing(Prefect(live_servers.urls["prefect"])) as client:
        yield client


def wait_until_it_hangs(project: Project, child: "subprocess.Popen[str]") -> list[int]:
    """The pids of the stage that hangs and of its child."""
    path = project.root / "hanging"
    while not path.is_file() or not path.read_text():
        assert child.poll() is None, "it ended before"
        time.sleep(0.05)
    return [int(pid) for pid in path.read_text().split()]


def test_a_run_does_everything_once_the_next_one_nothing_and_a_revert_restores(
    project: Project, prefect: Prefect
) -> None:
    project.order("slow")
    project.tidemill("run", "tiny")
    first = prefect.newest_run()
    assert (first["name"], first["state_type"]) == ("tiny", "COMPLETED")
    assert prefect.states(first) == {**dict.fromkeys(STAGES, "Completed"), "collect": "Cached"}
    pages = prefect.artifacts(first)
    cards = {f"tiny-{stage}" for stage in STAGES if stage != "collect"}
    assert set(pages) == cards | {"tiny-train-progress", "tiny-report", "tiny-summary"}
    assert "| train | slow |" in pages["tiny-train"]["data"]
    assert "http://127.0.0.1/model" in pages["tiny-report"]["data"]
    assert (pages["tiny-train-progress"]["type"], pages["tiny-train-progress"]["data"]) == ("progress", 100.0)
    assert "train says slow" in prefect.logs(first)

    told = json.loads(project.tidemill("run", "tiny", "--json"))
    second = prefect.newest_run()
    assert [stage["state"] for stage in told["stages"]] == ["Cached"] * len(STAGES)
    assert prefect.states(second) == dict.fromkeys(STAGES, "Cached")
    assert set(prefect.artifacts(second)) == {"tiny-summary"}
    assert told["release"]["alias"] == "champion"

    project.order("go")
    assert "train: completed" in project.tidemill("run", "tiny")
    project.order("slow")
    told = json.loads(project.tidemill("run", "tiny", "--json"))
    assert {stage["stage"]: stage["state"] for stage in told["stages"]}["train"] == "Restored"


def test_a_failing_stage_is_one_line_and_a_failed_task_run(project: Project, prefect: Prefect) -> None:
    project.order("fail")
    output = project.tidemill("run", "tiny", exit_code=1)
    assert output.splitlines()[-1] == "error: train@tiny: rows.csv: line 3 has no label; write ham or spam"
    assert "Traceback" not in output
    run = prefect.newest_run()
    assert run["state_type"] == "FAILED"
    assert prefect.states(run) == {"collect": "Cached", "prepare": "Completed", "train": "Failed"}


def test_a_stage_over_its_memory_is_ended(project: Project) -> None:
    project.order("eat")
    output = project.tidemill("run", "tiny", exit_code=1)
    assert "the recipe's budget.memory_gb is 1" in output.splitlines()[-1]
    assert running_in(project.root) == []


@pytest.mark.parametrize(("sent", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_ended_run_leaves_no_process_and_no_running_state(
    project: Project, prefect: Prefect, sent: signal.Signals, exit_code: int
) -> None:
    project.order("hang")
    with project.start("run", "tiny") as child:
        wait_until_it_hangs(project, child)
        os.kill(child.pid, sent)
        output, _ = child.communicate(timeout=60)
    assert abs(child.returncode) in (exit_code, sent), output
    assert "Traceback" not in output
    assert running_in(project.root) == []
    assert prefect.newest_run()["state_type"] == "CRASHED"


def test_a_second_run_says_who_holds_the_recipe(project: Project) -> None:
    project.order("hang")
    with project.start("run", "tiny") as child:
        wait_until_it_hangs(project, child)
        output = project.tidemill("run", "tiny", exit_code=1)
        os.kill(child.pid, signal.SIGINT)
        child.communicate(timeout=60)
    assert f"error: tiny: process {child.pid} since" in output
    assert "(at train)" in output


def test_a_killed_run_is_crashed_and_its_orphans_are_ended_by_the_next(project: Project, prefect: Prefect) -> None:
    project.order("hang")
    with project.start("run", "tiny") as child:
        wait_until_it_hangs(project, child)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate(timeout=60)
    dead = prefect.newest_run()
    assert dead["state_type"] == "RUNNING"
    assert running_in(project.root) != []
    project.order("go")
    project.tidemill("run", "tiny")
    assert running_in(project.root) == []
    (closed,) = prefect.ask("flow_runs", flow_runs={"id": {"any_": [dead["id"]]}})
    assert closed["state_type"] == "CRASHED"
    assert "Running" not in prefect.states(dead).values()
    assert run_lock.noted(project.home, "tiny") is None


@pytest.mark.slow
def test_a_lost_server_is_one_line_and_the_next_run_closes_what_it_left(
    project: Project, live_servers: Servers, prefect: Prefect
) -> None:
    project.order("hang")
    server = server_state.living(live_servers.home, "prefect")
    assert server is not None
    impatient = Project(project.root, {**project.environment, "PREFECT_CLIENT_MAX_RETRIES": "0"})
    with impatient.start("run", "tiny") as child:
        stage, _ = wait_until_it_hangs(project, child)
        lost = prefect.newest_run()
        os.kill(server.process.pid, signal.SIGKILL)
        os.kill(stage, signal.SIGKILL)
        output, _ = child.communicate(timeout=120)
    assert child.returncode == 1
    assert output.splitlines()[-1].startswith("error: Prefect stopped answering at http://127.0.0.1:")
    assert "Traceback" not in output
    assert running_in(project.root) == []
    assert servers.up(live_servers.home) == live_servers.urls
    project.order("go")
    project.tidemill("run", "tiny")
    (closed,) = prefect.ask("flow_runs", flow_runs={"id": {"any_": [lost["id"]]}})
    assert closed["state_type"] == "CRASHED"


def test_a_missing_recipe_is_added_to_the_list_and_said_and_collected_first(project: Project) -> None:
    (project.root / "recipes" / "all.yaml").write_text("# What dvc.yaml runs.\nrecipes: []\n")
    output = project.tidemill("run", "tiny")
    assert "added tiny to recipes/all.yaml" in output
    assert "collect: completed" in output
    assert (project.root / "recipes" / "all.yaml").read_text() == "# What dvc.yaml runs.\nrecipes: [tiny]\n"


def test_what_a_killed_run_left_running_is_ended_without_prefect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "GRACE_S", 0.5)
    command = [sys.executable, "-c", "import time; time.sleep(300)"]
    with subprocess.Popen(command, start_new_session=True) as orphan:
        leader = identity(orphan.pid)
        assert leader is not None
        left = run_lock.Holder(1, "6f9619ff-8b86-d011-b42d-00c04fc964ff", "yesterday", "train", leader)
        run_lock.note(tmp_path, "tiny", left)
        orphans.end_all(tmp_path)
        assert orphan.wait(timeout=5) == -signal.SIGTERM
    assert run_lock.noted(tmp_path, "tiny") == left


def test_a_living_holder_is_left_alone(tmp_path: Path) -> None:
    closed: list[run_lock.Holder] = []
    with run_lock.held(tmp_path, "tiny", "an id", closed.append):
        with pytest.raises(BusyError, match=rf"^tiny: process {os.getpid()} since .* is running this recipe; wait"):
            run_lock.require_free(tmp_path, "tiny")
        orphans.end_all(tmp_path)
    run_lock.require_free(tmp_path, "tiny")
    assert closed == []


def test_a_holder_that_failed_is_told_to_the_next_before_it_writes_its_own_note(tmp_path: Path) -> None:
    def fail(dead: run_lock.Holder) -> None:
        raise ConnectionError(dead.flow_run_id)

    with pytest.raises(ZeroDivisionError), run_lock.held(tmp_path, "tiny", "first", fail):
        raise ZeroDivisionError
    with pytest.raises(ConnectionError, match="first"), run_lock.held(tmp_path, "tiny", "second", fail):
        pass
    closed: list[run_lock.Holder] = []
    with run_lock.held(tmp_path, "tiny", "third", closed.append):
        pass
    assert [dead.flow_run_id for dead in closed] == ["first"]
    assert run_lock.noted(tmp_path, "tiny") is None


@pytest.mark.parametrize(("parts", "key"), [(("my_recipe", "train"), "my-recipe-train"), (("A b", "c"), "a-b-c")])
def test_an_artifact_key_is_what_prefect_takes(parts: tuple[str, ...], key: str) -> None:
    assert artifacts.key(*parts) == key
