"""A project whose stages take no time, and the pair of real servers that the tests share (a pytest plugin).

PYTEST_DONT_REWRITE: the test files import it before pytest registers it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import tasks
from flows import server_commands, servers

PATIENCE_S = 600
"""For a command on a machine that many share."""

RECIPE = """
name: tiny
title: A tiny recipe
kind: classify_text
sources:
  - {name: rows, url: "file:rows.csv", columns: {text: text}}
labels: {classes: [ham, spam]}
train: {base_model: {url: "file:model"}}
budget: {minutes: 5, memory_gb: 1}
"""

GRAPH = """
vars: [recipes/all.yaml]
stages:
  prepare:
    foreach: ${recipes}
    do:
      cmd: python -m tasks prepare ${item}
      deps: ["data/${item}/raw"]
      outs: ["data/${item}/prepare"]
  train:
    foreach: ${recipes}
    do:
      cmd: python -m tasks train ${item}
      deps: ["data/${item}/prepare"]
      outs: ["data/${item}/train"]
"""

STEPS = '''
"""The steps of the tiny project: each does what data/<recipe>/raw/order says, `train` more than the others."""
import json, os, subprocess, sys, time
from pathlib import Path

step, recipe = sys.argv[1:]
data, home = Path("data") / recipe, Path(os.environ["TIDEMILL_HOME"])
raw = data / "raw" / "order"
if step == "collect" and not raw.exists():
    raw.parent.mkdir(parents=True)
    raw.write_text("go")
order = raw.read_text().split()[0]
print(step, "says", order, flush=True)
if step == "train":
    if order == "fail":
        sys.exit("error: rows.csv: line 3 has no label; write ham or spam")
    if order == "eat":
        hoard = bytearray(os.urandom(1024)) * (1400 * 1024)
        time.sleep(60)
    if order == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        Path("hanging").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(300)
    if order == "slow":
        for done in range(1, 4):
            print("::progress " + json.dumps({"what": "steps", "done": done, "total": 3, "note": ""}), flush=True)
            time.sleep(1.1)
out = {"measure": home / "measurements" / recipe, "release": home / "release" / recipe}.get(step, data / step)
out.mkdir(parents=True, exist_ok=True)
(out / "card.md").write_text(f"| {step} | {order} |\\n|---|---|\\n| of | {recipe} |\\n")
if step == "release":
    told = {"version": 1, "alias": "champion", "verdict": "there was none", "url": "http://127.0.0.1/model"}
    (out / "outcome.json").write_text(json.dumps(told))
'''

LOCAL_MODULES = {
    "collect/pending.py": "def pending(recipe, paths):\n    return () if (paths.raw / 'order').exists() else ('rows',)\n",
    "compress/measure.py": "def measured(paths):\n    return (paths.measurements / 'card.md').exists()\n",
    "release/known.py": "def registered_version(recipe, paths):\n"
    "    return 1 if (paths.home / 'release' / paths.recipe / 'outcome.json').exists() else None\n",
}


@dataclass(frozen=True)
class Project:
    """A folder with a recipe `tiny`, and the environment in which the command line works on it."""

    root: Path
    environment: dict[str, str] = field(repr=False)

    @property
    def home(self) -> Path:
        return Path(self.environment["TIDEMILL_HOME"])

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """`tidemill WORDS` as a child process, its output merged."""
        command = [sys.executable, "-m", "flows.cli", *words]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def tidemill(self, *words: str, exit_code: int = 0) -> str:
        """The output of `tidemill WORDS`, which has to end with that exit code."""
        with self.start(*words) as child:
            output, _ = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == exit_code, output
        return output

    def order(self, word: str) -> None:
        """Say what the stages do from now on."""
        file = self.root / "data" / "tiny" / "raw" / "order"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(word)


@dataclass(frozen=True)
class Servers:
    """Two real servers and the home folder that they were started in."""

    home: Path
    urls: dict[str, str]


@pytest.fixture(scope="session")
def live_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Prefect and MLflow, started once by `flows.servers` itself and stopped at the end."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
            patch.delenv(variable, raising=False)
        for name in ("prefect", "mlflow"):
            # Whoever works on this machine has the usual ports.
            patch.setitem(server_commands.PREFERRED_PORTS, name, 0)
        try:
            yield Servers(home, servers.up(home))
        finally:
            servers.down(home)


@pytest.fixture(scope="session")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `dvc init` leaves, made once and copied."""
    root = tmp_path_factory.mktemp("repository")
    command = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    subprocess.run(command, cwd=root, env={**os.environ, "DVC_NO_ANALYTICS": "1"}, check=True)
    return root


@pytest.fixture
def offline_project(tmp_path: Path, empty_repository: Path) -> Project:
    """The tiny project with a home of its own, and no server."""
    root = tmp_path / "project"
    own = root / "tasks"
    for folder in ("recipes", "expectations"):
        (root / folder).mkdir(parents=True)
    for name, text in LOCAL_MODULES.items():
        file = own / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        (file.parent / "__init__.py").write_text(f"__path__.append({str(_installed(name))!r})\n")
    (own / "__init__.py").write_text(f"__path__.append({str(Path(tasks.__path__[0]))!r})\n")
    (own / "__main__.py").write_text(STEPS)
    (root / "dvc.yaml").write_text(GRAPH)
    (root / "recipes" / "tiny.yaml").write_text(RECIPE)
    (root / "recipes" / "all.yaml").write_text("# What dvc.yaml runs.\nrecipes: [tiny]\n")
    for suite in ("text_records", "class_labels"):
        (root / "expectations" / f"{suite}.json").write_text("{}")
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI")
    }
    environment |= {
        "TIDEMILL_HOME": str(tmp_path / "home"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path),
    }
    shutil.copytree(empty_repository / ".dvc", root / ".dvc")
    return Project(root, environment)


def _installed(name: str) -> Path:
    """Our own package of that name, which the tiny project's package looks into second."""
    return Path(tasks.__path__[0]) / Path(name).parent


@pytest.fixture
def project(offline_project: Project, live_servers: Servers) -> Project:
    """The tiny project with the shared servers, which are no servers of its own."""
    urls = live_servers.urls
    outside = {"PREFECT_API_URL": f"{urls['prefect']}/api", "MLFLOW_TRACKING_URI": urls["mlflow"]}
    return Project(offline_project.root, {**offline_project.environment, **outside})


def running_in(folder: Path) -> list[int]:
    """The pids of living processes whose working folder is that one or below."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
