"""The champion switched twenty times under load: failed requests, answers under a wrong version, seconds to switch.

`python bench/serve/switch.py VERSION_FOLDER TEXTS.parquet [--switches 20]`: registers the version twice in an MLflow of
its own, the second time with fp32 served, so that each answer tells which of them gave it.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
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


def measure(folders: list[Path], texts: list[str], home: Path, switches: int) -> None:
    """Register, serve, load, switch, and print the figures."""
    import subprocess

    versions = {}
    for folder in folders:
        copy = home / "copies" / folder.name
        shutil.copytree(folder, copy)
        number = tracking.register(tracking.Release(NAME, NAME, "", copy, {}, {}, {"lineage": folder.name})).number
        served = storage.read_json(folder / "model.json")["served"]
        model = inference.load(folder, served, 2)
        versions[number] = np.vstack([model.probabilities([text]) for text in texts])
    classes = model.classes
    first, second = versions
    tracking.set_alias(NAME, tracking.CHAMPION, first)
    port = free_port()
    child = subprocess.Popen([sys.executable, "-c", SERVE, str(home), str(port)])
    stop, failed, wrong, answered = threading.Event(), [], [], {first: 0, second: 0}

    def load(start: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        turn = start
        while not stop.is_set():
            turn = (turn + 1) % len(texts)
            status, value = asked(connection, "POST", "/v1/predict", {"text": texts[turn]})
            if status != http.HTTPStatus.OK:
                failed.append(value)
                continue
            row = [value["predictions"][0]["probabilities"][name] for name in classes]
            if np.abs(versions[value["version"]][turn] - row).max() > 1e-4:
                wrong.append(value)
            answered[value["version"]] += 1

    try:
        deadline = time.monotonic() + PATIENCE_S
        probe = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        while True:
            try:
                asked(probe, "GET", "/readyz")
                break
            except OSError:
                probe.close()
                if time.monotonic() > deadline:
                    sys.exit("the endpoint does not answer")
                time.sleep(0.5)
        workers = [threading.Thread(target=load, args=(25 * n,)) for n in range(CLIENTS)]
        for worker in workers:
            worker.start()
        waits = []
        for turn in range(switches):
            number = second if turn % 2 == 0 else first
            tracking.set_alias(NAME, tracking.CHAMPION, number)
            moved = time.monotonic()
            while asked(probe, "GET", "/readyz")[1]["version"] != number:
                time.sleep(0.02)
            waits.append(time.monotonic() - moved)
        stop.set()
        for worker in workers:
            worker.join()
    finally:
        stop.set()
        child.terminate()
        child.wait()
    differ = np.abs(versions[first] - versions[second]).max(axis=1)
    print(f"load {os.getloadavg()[0]:.1f}; {switches} switches, {sum(answered.values())} answers by version {answered}")
    print(f"failed requests: {len(failed)}; answers under a wrong version: {len(wrong)}")
    print(f"the two versions differ by a median of {np.median(differ):.4f}, at least {differ.min():.5f}")
    print(f"seconds to switch: median {statistics.median(waits):.2f}, {min(waits):.2f} to {max(waits):.2f}")


if __name__ == "__main__":
    main()
