"""A run that is killed at any moment and started again ends as if it had never been killed."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import killing
import pytest
from killing import KillingProxy, Moment
from small_project import small_project
from tiny_project import Project, Servers

from flows import server_commands, servers
from tasks import dvc_repo

pytest_plugins = ["tiny_project", "small_project"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]  # the latter is DVC's

MOMENTS = [
    Moment("collect", 1.0, "the flow and its stage"),
    Moment("train", 5.0, "the flow alone"),
    Moment("compress", 4.0, "the flow and its stage"),
    Moment("release", 3.0, "the flow and its stage"),
]
"""One after the other in the same run: mid-collect, mid-epoch, mid-export, mid-promotion."""


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits_and_one_version(
    small_template: Path,
    small_released: Project,
    live_servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = small_project(small_template, tmp_path, live_servers, "killed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.environment["MLFLOW_TRACKING_URI"])
    try:
        reached = [killing.killed(project, "killed", moment) for moment in MOMENTS]
        assert reached[0] in ("collect", "before collect")
        killing.finished(project, "killed")
        assert killing.left_running(project) == []
    finally:
        killing.end_all(project, "killed")
    assert killing.weights(project, "killed") == killing.weights(small_released, "small")
    assert killing.outputs(project, "killed") == killing.outputs(small_released, "small")
    assert killing.registry_faults(project, "killed") == []
    assert [state.address for state in dvc_repo.plan(project.root, "killed") if state.stale] == []


@pytest.fixture
def own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An MLflow that nobody else uses."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setitem(server_commands.PREFERRED_PORTS, "mlflow", 0)
    try:
        url = servers.up(tmp_path / "home", ["mlflow"])["mlflow"]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        yield url
    finally:
        servers.down(tmp_path / "home")


def test_a_release_that_is_killed_between_its_steps_registers_once(
    small_released: Project, own_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    shutil.copytree(small_released.root, root)
    own = {"TIDEMILL_HOME": str(root / ".tidemill"), "PYTHONPATH": str(root), "DVC_SITE_CACHE_DIR": str(tmp_path)}
    project = Project(root, {**small_released.environment, **own})
    with contextlib.closing(KillingProxy(own_registry)) as proxy:
        changes, points = killing.release_points(project, "small", proxy)
        assert any("model-versions/create" in change for change in changes)
        # Between two requests nothing else changes MLflow, so that every second point says it all.
        faults = {
            point: killing.release_faults(project, "small", proxy, point) for point in points if point.when == "after"
        }
    assert {point: found for point, found in faults.items() if found} == {}
