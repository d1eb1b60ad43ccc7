"""A real Label Studio that the tests share (a pytest plugin).

PYTEST_DONT_REWRITE: the test files import it before pytest registers it.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from label_project import recipe_of

from flows import server_commands, servers, settings, studio_access, studio_install
from tasks import storage
from tasks.label import page, push
from tasks.label.studio import connection, exchange, projects
from tasks.label.studio.connection import Studio
from tasks.recipe import Recipe


@dataclass(frozen=True)
class RealStudio:
    """Where it answers, and the home folder that it was started in."""

    home: Path
    url: str

    @contextlib.contextmanager
    def connected(self) -> Iterator[Studio]:
        """A connection as the administrator."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.studio(self.home, self.url).items():
                patch.setenv(name, value)
            with connection.connected() as studio:
                yield studio


@pytest.fixture(scope="session")
def live_studio(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[RealStudio]:
    """Label Studio, installed and started by `flows.servers` itself.

    An installation of this project is used again, and so is the fresh database of an earlier session: to make one
    takes a minute.
    """
    home = tmp_path_factory.mktemp("studio_home")
    project_home = Path(__file__).parents[1] / ".tidemill"
    if studio_install.installed(project_home):
        (studio_access.folder(home) / "venv").symlink_to(project_home / "studio" / "venv")
    kept = pytestconfig.cache.mkdir(f"studio-{storage.sha256_file(studio_install.LOCK)[:16]}")
    fresh = not (kept / "logins.json").is_file()
    if not fresh:
        copy_studio(kept, studio_access.folder(home))
    with pytest.MonkeyPatch.context() as patch:
        for variable in (settings.STUDIO_URL, settings.STUDIO_TOKEN):
            patch.delenv(variable, raising=False)
        patch.setitem(server_commands.PREFERRED_PORTS, "studio", 0)
        try:
            url = servers.studio_up(home)
            if fresh:
                copy_studio(studio_access.folder(home), kept)
            yield RealStudio(home, url)
        finally:
            servers.down(home)


def copy_studio(source: Path, target: Path) -> None:
    """The database and the logins, which say last that the copy is whole."""
    shutil.copytree(source / "data", target / "data", dirs_exist_ok=True)
    shutil.copy2(source / "logins.json", target / "logins.json")


@pytest.fixture
def studio(live_studio: RealStudio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A connection, and the environment in which our own steps find it."""
    for name, value in settings.studio(live_studio.home, live_studio.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert os.environ[settings.STUDIO_URL] == live_studio.url
    with connection.connected() as opened:
        yield opened
        for project in opened.ask("GET", "/api/projects/", params={"page_size": 100})["results"]:
            opened.ask("DELETE", f"/api/projects/{project['id']}/")


def annotate_as(studio: Studio, task: int, who: str, *labels: str) -> int:
    """An answer by that person, made with the administrator's rights; no label: an empty one."""
    numbers = {address: number for number, address in exchange.addresses(studio).items()}
    if who not in numbers:
        numbers[who] = int(studio.ask("POST", "/api/users/", json={"email": who, "username": who})["id"])
    result = [page.answer("classify_text", recipe_of().labels, label) for label in labels]
    content = {"result": result, "completed_by": numbers[who], "lead_time": 2.5}
    return int(studio.ask("POST", f"/api/tasks/{task}/annotations/", json=content)["id"])


def task_of(studio: Studio, recipe: Recipe, record_id: str) -> int:
    project = projects.required(studio, push.mark(recipe.name), recipe.name)
    return next(number for number, key in exchange.task_keys(studio, project) if key == record_id)
