"""Requests a second and latency of Tidemill and of others, same model, same texts, alternating rounds in one run.

`python bench/serve/compare.py VERSION_FOLDER TRAINED_FOLDER TEXTS.parquet [--rounds 3] [--seconds 4]`, where the first
holds a version's artifacts, the second `data/<recipe>/train`. LitServe has to be installed (`pip install litserve`).
"""

import argparse
import contextlib
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
from load import Result, Target, loaded

HERE = Path(__file__).parent
CLIENTS = (1, 8, 64)
SERVERS = ("tidemill", "pipeline + FastAPI", "mlflow models serve", "LitServe")
PATIENCE_S = 180


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def sequence_classifier(trained: Path, folder: Path) -> None:
    """The trained encoder as a model folder that transformers.pipeline loads."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    from tasks import storage, text_model

    config = storage.read_json(trained / "config.json")
    model = BertForSequenceClassification(
        BertConfig(**{k: v for k, v in config.items() if k != "classes"}, num_labels=3)
    )
    own = text_model.load(trained)
    with torch.no_grad():
        model.bert.load_state_dict(own.encoder.state_dict(), strict=False)
        model.classifier.weight.copy_(own.head.weight)
    model.save_pretrained(folder)
    words = PreTrainedTokenizerFast(tokenizer_file=str(trained / "tokenizer.json"), pad_token="[PAD]")
    words.save_pretrained(folder)


def commands(version: Path, trained: Path, place: Path) -> dict[str, tuple[list[str], Target]]:
    """How each server is started, and asked."""
    import mlflow

    sequence_classifier(trained, place / "hf")
    mlflow.pyfunc.save_model(place / "mlflow", python_model=str(HERE / "mlflow_model.py"), pip_requirements=[])
    ports = {name: free_port() for name in SERVERS}
    own = [sys.executable, "-m", "tasks.serve", str(version), "recipes/feedback.yaml", str(ports["tidemill"])]
    pipe = [sys.executable, str(HERE / "pipeline_fastapi.py"), str(place / "hf"), str(ports["pipeline + FastAPI"])]
    flow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(place / "mlflow"), "--env-manager", "local"]
    flow += ["--port", str(ports["mlflow models serve"])]
    lit = [sys.executable, str(HERE / "litserve_onnx.py"), str(version), str(ports["LitServe"])]
    return {
        "tidemill": (own, Target(ports["tidemill"], "/v1/predict", lambda text: {"text": text})),
        "pipeline + FastAPI": (pipe, Target(ports["pipeline + FastAPI"], "/predict", lambda text: {"text": text})),
        "mlflow models serve": (
            flow,
            Target(ports["mlflow models serve"], "/invocations", lambda text: {"dataframe_records": [{"text": text}]}),
        ),
        "LitServe": (lit, Target(ports["LitServe"], "/predict", lambda text: {"text": text})),
    }


def cpu_seconds(server: int) -> float:
    """CPU time of the process group's living members: on a shared machine it is steadier than the clock."""
    total = 0.0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == server:
                total += sum(process.cpu_times()[:2])
    return total


def cost(rounds: list[Result], seconds: list[float]) -> list[float]:
    """CPU milliseconds of the server for each answered request, by round."""
    return [1000 * used / max(1, len(one.seconds)) for one, used in zip(rounds, seconds, strict=True)]


@contextlib.contextmanager
def running(name: str, command: list[str], target: Target, version: Path) -> Iterator[int]:
    """The process group of the server, answering; ended with all its workers afterwards."""
    environment = {**os.environ, "BENCH_MODEL": str(version), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        deadline = time.monotonic() + PATIENCE_S
        try:
            while 200 not in loaded(target, ["Good."], 1, 0.2).statuses:
                if child.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    sys.exit(f"{name} does not answer:\n{log.read().decode()[-2000:]}")
                time.sleep(0.5)
            yield child.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, 15)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, 9)


def spread(values: list[float], digits: int = 0) -> str:
    """Median (minimum to maximum)."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def show(found: dict[tuple[str, int], list[Result]], busy: dict[tuple[str, int], list[float]]) -> None:
    """Print a row for each server and number of clients."""
    print("| server | clients | requests/s | times ours | p50 ms | p99 ms | server CPU ms a request | times ours |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for clients in CLIENTS:
        costs = {name: cost(found[name, clients], busy[name, clients]) for name in SERVERS}
        for name in SERVERS:
            rounds = found[name, clients]
            bad = sum(r.broken + sum(n for status, n in r.statuses.items() if status != 200) for r in rounds)
            cells = [
                spread([r.rate for r in rounds], 1),
                spread([r.rate / own.rate for own, r in zip(found["tidemill", clients], rounds, strict=True)], 2),
                spread([r.percentile(0.5) for r in rounds], 1),
                spread([r.percentile(0.99) for r in rounds], 1),
                spread(costs[name], 2),
                spread([it / own for own, it in zip(costs["tidemill"], costs[name], strict=True)], 2),
            ]
            print(f"| {name}{f' ({bad} failed)' if bad else ''} | {clients} | {' | '.join(cells)} |")


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser()
    words.add_argument("version", type=Path)
    words.add_argument("trained", type=Path)
    words.add_argument("texts", type=Path)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--seconds", type=float, default=4.0)
    said = words.parse_args()
    texts = pd.read_parquet(said.texts)["text"].sample(500, random_state=1).tolist()
    found: dict[tuple[str, int], list[Result]] = {(name, n): [] for name in SERVERS for n in CLIENTS}
    busy: dict[tuple[str, int], list[float]] = {key: [] for key in found}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = commands(said.version, said.trained, Path(folder))
        groups = {
            name: stack.enter_context(running(name, command, target, said.version))
            for name, (command, target) in servers.items()
        }
        for _, target in servers.values():
            loaded(target, texts, 8, 1.0)
        for _ in range(said.rounds):
            for clients in CLIENTS:
                for name, (_, target) in servers.items():
                    before = cpu_seconds(groups[name])
                    found[name, clients].append(loaded(target, texts, clients, said.seconds))
                    busy[name, clients].append(cpu_seconds(groups[name]) - before)
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}, {said.rounds} rounds of {said.seconds:g} s"
    )
    show(found, busy)
    for clients in CLIENTS:
        own = sorted(value for result in found["tidemill", clients] for value in result.own_ms)
        print(f"own code at {clients} clients: p50 {own[len(own) // 2]:.2f} ms, p99 {own[int(len(own) * 0.99)]:.2f} ms")


if __name__ == "__main__":
    main()
