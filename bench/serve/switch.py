"""The champion switched twenty times under load: failed requests, answers under a wrong version, seconds to switch.

`python bench/serve/switch.py VERSION_FOLDER TEXTS.parquet [--switches 20]`: registers the version twice in an MLflow of
its own, the second time with fp32 served, so that each answer tells which of them gave it.
"""

import argparse
import http.client
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
from compare import free_port

from flows import servers
from tasks import inference, storage, tracking

CLIENTS, PATIENCE_S = 4, 60
SAME = 1e-4
"""Answers of one version to one text differ by less."""
NAME = "feedback"
SERVE = """
import sys; from pathlib import Path
from tasks.paths import Paths; from tasks.recipe import load; from tasks.serve.run import serve_champion
serve_champion(load(Path("recipes/feedback.yaml")), Paths(Path(sys.argv[1]), "feedback"), "127.0.0.1", int(sys.argv[2]))
"""


def asked(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> tuple[int, dict]:
    """Status and value of one request."""
    connection.request(method, path, json.dumps(body) if body else None)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def fp32_twin(version: Path, folder: Path) -> Path:
    """The same version with its fp32 model served, and probes to match."""
    shutil.copytree(version, folder)
    storage.write_json(folder / "model.json", {**storage.read_json(folder / "model.json"), "served": "model.onnx"})
    probes = storage.read_table(folder / "probes.parquet")
    model = inference.load(folder, "model.onnx", 2)
    found = model.probabilities(probes["text"].tolist())
    columns = {f"p_{name}": found[:, place] for place, name in enumerate(model.classes)}
    storage.write_table(folder / "probes.parquet", probes.assign(**columns))
    return folder


def main() -> None:
    """Print what happened."""
    words = argparse.ArgumentParser()
    words.add_argument("version", type=Path)
    words.add_argument("texts", type=Path)
    words.add_argument("--switches", type=int, default=20)
    said = words.parse_args()
    texts = pd.read_parquet(said.texts)["text"].sample(100, random_state=1).tolist()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        os.environ["TIDEMILL_HOME"] = str(home)
        try:
            os.environ["MLFLOW_TRACKING_URI"] = servers.up(home, ["mlflow"])["mlflow"]
            folders = [said.version, fp32_twin(said.version, Path(place) / "fp32")]
            measure(folders, texts, home, said.switches)
        finally:
            servers.down(home)


class Load:
    """Clients that ask without a pause and hold each answer against what its version says alone."""

    def __init__(self, port: int, texts: list[str], versions: dict[int, np.ndarray], classes: tuple[str, ...]) -> None:
        self.port, self.texts, self.versions, self.classes = port, texts, versions, classes
        self.stop, self.failed, self.wrong = threading.Event(), [], []
        self.answered = dict.fromkeys(versions, 0)

    def client(self, start: int) -> None:
        """Ask until told to stop."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        for turn in itertools.count(start):
            if self.stop.is_set():
                return
            place = turn % len(self.texts)
            status, value = asked(connection, "POST", "/v1/predict", {"text": self.texts[place]})
            if status != http.HTTPStatus.OK:
                self.failed.append(value)
                continue
            row = [value["predictions"][0]["probabilities"][name] for name in self.classes]
            if np.abs(self.versions[value["version"]][place] - row).max() > SAME:
                self.wrong.append(value)
            self.answered[value["version"]] += 1


def ready(port: int) -> http.client.HTTPConnection:
    """A connection to the endpoint once it answers."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        probe = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            asked(probe, "GET", "/readyz")
        except OSError:
            time.sleep(0.5)
        else:
            return probe
    sys.exit("the endpoint does not answer")


def registered(folders: list[Path], texts: list[str], home: Path) -> tuple[dict[int, np.ndarray], tuple[str, ...]]:
    """What each version says to each text, by its number, and the classes."""
    versions = {}
    for folder in folders:
        copy = home / "copies" / folder.name
        shutil.copytree(folder, copy)
        number = tracking.register(tracking.Release(NAME, NAME, "", copy, {}, {}, {"lineage": folder.name})).number
        model = inference.load(folder, storage.read_json(folder / "model.json")["served"], 2)
        versions[number] = np.vstack([model.probabilities([text]) for text in texts])
    return versions, model.classes


def switched(probe: http.client.HTTPConnection, numbers: list[int], switches: int) -> list[float]:
    """Seconds from each move of the alias to the first answer that names the new version."""
    waits = []
    for turn in range(switches):
        number = numbers[(turn + 1) % 2]
        tracking.set_alias(NAME, tracking.CHAMPION, number)
        moved = time.monotonic()
        while asked(probe, "GET", "/readyz")[1]["version"] != number:
            time.sleep(0.02)
        waits.append(time.monotonic() - moved)
    return waits


def measure(folders: list[Path], texts: list[str], home: Path, switches: int) -> None:
    """Register, serve, load, switch, and print the figures."""
    versions, classes = registered(folders, texts, home)
    tracking.set_alias(NAME, tracking.CHAMPION, min(versions))
    port = free_port()
    child = subprocess.Popen([sys.executable, "-c", SERVE, str(home), str(port)])
    load = Load(port, texts, versions, classes)
    try:
        probe = ready(port)
        workers = [threading.Thread(target=load.client, args=(25 * n,)) for n in range(CLIENTS)]
        for worker in workers:
            worker.start()
        waits = switched(probe, sorted(versions), switches)
        load.stop.set()
        for worker in workers:
            worker.join()
    finally:
        load.stop.set()
        child.terminate()
        child.wait()
    differ = np.abs(versions[min(versions)] - versions[max(versions)]).max(axis=1)
    total = sum(load.answered.values())
    print(f"load {os.getloadavg()[0]:.1f}; {switches} switches, {total} answers by version {load.answered}")
    print(f"failed requests: {len(load.failed)}; answers under a wrong version: {len(load.wrong)}")
    print(f"the versions can be told apart on {(differ > SAME).mean():.0%} of the texts")
    print(f"seconds to switch: median {statistics.median(waits):.2f}, {min(waits):.2f} to {max(waits):.2f}")


if __name__ == "__main__":
    main()
