"""Endpoints as real processes, as a user starts them (a pytest plugin beside `small_model` and `tiny_project`).

PYTEST_DONT_REWRITE: the test files import it before pytest registers it.
"""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from small_model import recipe, write_stages

from tasks import storage, tracking
from tasks.paths import Paths
from tasks.release import probes
from tasks.tracking import Release

CHAMPION_CODE = """
import sys
from pathlib import Path
from tasks.paths import Paths
from tasks.recipe import load
from tasks.serve.run import serve_champion
from tasks.errors import TidemillError
recipe = load(Path(sys.argv[1]))
try:
    serve_champion(recipe, Paths(Path(sys.argv[2]), recipe.name), "127.0.0.1", 0)
except TidemillError as error:
    sys.exit(f"error: {error}")
"""


class Endpoint:
    """A running endpoint: its client, and every line that it has printed."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.child = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line.strip())
            if line.startswith("listening on "):
                break
        else:
            self.child.wait()
            self.child.stdout.close()
            raise RuntimeError(self.lines[-1] if self.lines else "said nothing")
        self.url = self.lines[-1].removeprefix("listening on ")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def _read(self) -> None:
        assert self.child.stdout is not None
        self.lines.extend(line.strip() for line in self.child.stdout)

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        self.client.close()
        self.child.terminate()
        code = self.child.wait(30)
        self.reader.join(5)
        assert self.child.stdout is not None
        self.child.stdout.close()
        return code

    def predict(self, text: str, **headers: str) -> dict:
        answer = self.client.post("/v1/predict", json={"text": text}, headers=headers)
        assert answer.status_code == 200, answer.text
        return {**answer.json(), **answer.json()["predictions"][0]}


@contextlib.contextmanager
def folder_endpoint(folder: Path, place: Path, **changes: object) -> Iterator[Endpoint]:
    """The endpoint of a model folder."""
    file = place / "small.yaml"
    storage.write_text(file, recipe(**changes).model_dump_json(by_alias=True))
    started = Endpoint([sys.executable, "-m", "tasks.serve", str(folder), str(file)], {})
    try:
        yield started
    finally:
        started.stop()


@contextlib.contextmanager
def champion_endpoint(name: str, home: Path, mlflow: str, **changes: object) -> Iterator[Endpoint]:
    """The endpoint of a recipe's champion, with the state in `home`."""
    file = home / f"{name}.yaml"
    storage.write_text(file, recipe(name=name, **changes).model_dump_json(by_alias=True))
    environment = {"MLFLOW_TRACKING_URI": mlflow, "TIDEMILL_HOME": str(home)}
    started = Endpoint([sys.executable, "-c", CHAMPION_CODE, str(file), str(home)], environment)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def small_versions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The artifacts of two versions whose models differ, as a release bundles them; nobody writes there."""
    folders = []
    for seed in (1, 2):
        paths = Paths(tmp_path_factory.mktemp(f"version_{seed}"), "small")
        write_stages(paths, seed=seed)
        folder = paths.root / "model"
        folder.mkdir()
        for name in ("model.onnx", "model.int8.onnx", "tokenizer.json", "model.json"):
            storage.write_bytes(folder / name, (paths.stage("compress") / name).read_bytes())
        probes.write(recipe(), paths, folder)
        folders.append(folder)
    return folders


def register(name: str, folder: Path) -> int:
    """The number of a new version with these artifacts."""
    release = Release(name, "small", "a small model", folder, {}, {}, {"lineage": folder.parent.name})
    return tracking.register(release).number
