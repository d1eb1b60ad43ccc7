"""The lifecycle killed at a moment, taken up by the same command, and looked at: what the tests and bench/kill.py share."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psutil
from tiny_project import Project, running_in

from flows import run_lock
from flows.process_tree import alive, end_group
from tasks import checksums, ledger, storage, tracking
from tasks.paths import STAGES, Paths

STEPS = ("collect", *STAGES, "measure", "release")
PATIENCE_S = 900.0
WAYS = ("the flow alone", "the flow and its stage")

SKIPPED = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}
"""Headers that belong to one connection."""


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after the step has started (as its process: a cached one never does), and whom."""

    step: str
    delay_s: float
    way: str


def moments(count: int, seconds: dict[str, float], seed: int) -> list[Moment]:
    """Random moments, every step as often as any other, at any time of as long as it takes (`seconds`)."""
    luck = random.Random(seed)
    steps = [STEPS[index % len(STEPS)] for index in range(count)]
    luck.shuffle(steps)
    return [Moment(step, luck.uniform(0, seconds[step]), luck.choice(WAYS)) for step in steps]


def finished(project: Project, recipe: str) -> dict[str, float]:
    """Seconds of each step of `tidemill run`, which has to end well."""
    with project.start("run", recipe, "--json") as child:
        output, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, output
    return {stage["stage"]: stage["seconds"] for stage in json.loads(output[output.index("{") :])["stages"]}


def killed(project: Project, recipe: str, moment: Moment) -> str | None:
    """The step at which `tidemill run` was killed with SIGKILL, or None: it was done before."""
    child = project.start("run", recipe, "--json")
    try:
        _await_step(child, project, recipe, moment.step)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(moment.delay_s)
        if child.poll() is not None:
            return None
        holder = run_lock.noted(project.home, recipe)
        strike(child, holder, stage_too=moment.way == WAYS[1])
        return holder.stage if holder else "before collect"
    finally:
        child.kill()
        child.communicate()


def strike(child: "subprocess.Popen[str]", holder: run_lock.Holder | None, *, stage_too: bool) -> None:
    """Kill the flow's process group, and that of the stage which it runs."""
    os.killpg(child.pid, signal.SIGKILL)
    if stage_too and holder and holder.stage_process and alive(holder.stage_process):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(holder.stage_process.pid, signal.SIGKILL)


def _await_step(child: "subprocess.Popen[str]", project: Project, recipe: str, step: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while child.poll() is None and time.monotonic() < deadline:
        holder = run_lock.noted(project.home, recipe)
        if holder and holder.stage == step:
            return
        time.sleep(0.02)


def outputs(project: Project, recipe: str) -> dict[str, dict[str, str]]:
    """The sha256 of each file that each stage has left, tables without the time at which their rows were collected."""
    folders = {stage: Paths(project.root, recipe).stage(stage) for stage in STAGES}
    return {
        stage: {str(file.relative_to(folder)): _content(file) for file in folder.rglob("*") if file.is_file()}
        for stage, folder in folders.items()
    }


def _content(file: Path) -> str:
    if file.suffix != ".parquet":
        return storage.sha256_file(file)
    table = storage.read_table(file).drop(columns="collected_at", errors="ignore")
    return hashlib.sha256(table.to_json(orient="split", date_format="iso").encode()).hexdigest()


def weights(project: Project, recipe: str) -> str:
    """The sha256 of the trained weights."""
    return storage.sha256_file(Paths(project.root, recipe).stage("train") / "model.safetensors")


def registry_faults(project: Project, recipe: str) -> list[str]:
    """What is not as one finished release leaves it: versions, their files, aliases, lineages, the ledger."""
    versions = tracking.versions(recipe)
    lineages = Counter(version.tags[tracking.LINEAGE_TAG] for version in versions)
    faults = [f"lineage {one[:8]} is registered {count} times" for one, count in lineages.items() if count > 1]
    champions = [version.number for version in versions if tracking.CHAMPION in version.aliases]
    faults += [f"champions are {champions}"] if len(champions) != 1 else []
    faults += [f"version {one.number} is not released" for one in versions if tracking.RELEASED_TAG not in one.tags]
    faults += [fault for version in versions for fault in file_faults(version)]
    entries = Counter((entry.kind, entry.version) for entry in ledger.entries(project.home, recipe))
    return faults + [f"the ledger has {count} times {one}" for one, count in entries.items() if count > 1]


def file_faults(version: tracking.Version) -> list[str]:
    """The version's files that cannot be fetched as they were sealed."""
    with tempfile.TemporaryDirectory() as folder:
        listed = tracking.download(version, checksums.FILE, Path(folder))
        if storage.sha256_file(listed) != version.tags[tracking.CHECKSUMS_TAG]:
            return [f"version {version.number}: {checksums.FILE} is another"]
        sealed = storage.read_json(listed)
        found = [checksums.broken(tracking.download(version, name, Path(folder)), name, sealed) for name in sealed]
    return [fault for fault in found if fault]


def left_running(project: Project) -> list[int]:
    """The pids of processes that work in the project's folder, after those that are about to end had time to."""
    deadline = time.monotonic() + 10
    while (found := running_in(project.root)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def end_all(project: Project, recipe: str) -> None:
    """End what a killed run has left behind, should the next one not have come to it."""
    holder = run_lock.noted(project.home, recipe)
    if holder and holder.stage_process:
        end_group(holder.stage_process, 1.0)
    for pid in running_in(project.root):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()


@dataclass(frozen=True)
class Request:
    """One request that changes MLflow, by its number from 1, and whether the kill comes before or after it is done."""

    number: int
    when: str


class KillingProxy:
    """An MLflow that passes everything on to the real one, and kills its client at one request that changes something."""

    def __init__(self, url: str) -> None:
        self.changes: list[str] = []
        self.at: Request | None = None
        self.victim: subprocess.Popen[str] | None = None
        self._counting = threading.Lock()
        self._target = httpx.Client(base_url=url, timeout=60)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._target.close()

    def arm(self, at: Request | None) -> None:
        """Count anew, and kill at that request (None: at none)."""
        self.changes, self.at, self.victim = [], at, None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                proxy._answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Be silent."""

        return Handler

    def _answer(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        here = self._is_the_one(asked)
        if not (here and self.at.when == "before"):
            headers = {name: value for name, value in asked.headers.items() if name.lower() not in SKIPPED}
            answer = self._target.request(asked.command, asked.path, content=body, headers=headers)
            if not here:
                _pass_on(answer, asked)
        if here:
            self.victim.kill()

    def _is_the_one(self, asked: BaseHTTPRequestHandler) -> bool:
        """Count the request if it changes something; whether the kill comes at it. Uploads come side by side."""
        path = asked.path.partition("?")[0]
        if asked.command == "GET" or path.endswith(("/search", "/get-by-name")):
            return False
        with self._counting:
            self.changes.append(f"{asked.command} {path}")
            return self.at is not None and len(self.changes) == self.at.number


def _pass_on(answer: httpx.Response, asked: BaseHTTPRequestHandler) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        asked.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in SKIPPED:
                asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(answer.content)))
        asked.end_headers()
        asked.wfile.write(answer.content)


def release(project: Project, recipe: str, proxy: KillingProxy) -> int:
    """The exit code of the release step, with MLflow behind the proxy; negative when it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tasks", "release", recipe],
        cwd=project.root,
        env={**project.environment, "MLFLOW_TRACKING_URI": proxy.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    proxy.victim = child
    output, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode in (0, -signal.SIGKILL), output
    return child.returncode


def forget_release(project: Project, recipe: str) -> None:
    """Bring registry and ledger back to where nothing was ever released."""
    import mlflow

    client = mlflow.MlflowClient(tracking.uri())
    with contextlib.suppress(mlflow.exceptions.MlflowException):
        client.delete_registered_model(recipe)
    for folder in ("ledger", "release"):
        shutil.rmtree(project.home / folder, ignore_errors=True)


def release_points(project: Project, recipe: str, proxy: KillingProxy) -> tuple[list[str], list[Request]]:
    """The requests by which a release changes MLflow, and a point before and after each, of the uploads the outermost."""
    forget_release(project, recipe)
    proxy.arm(None)
    assert release(project, recipe, proxy) == 0
    changes = list(proxy.changes)
    uploads = [number for number, change in enumerate(changes, start=1) if "/mlflow-artifacts/" in change]
    left_out = set(uploads[1:-1])
    numbers = [number for number in range(1, len(changes) + 1) if number not in left_out]
    return changes, [Request(number, when) for number in numbers for when in ("before", "after")]


def release_faults(project: Project, recipe: str, proxy: KillingProxy, at: Request) -> list[str]:
    """What is wrong after the release was killed at that request and then done again."""
    forget_release(project, recipe)
    proxy.arm(at)
    ended = release(project, recipe, proxy)
    # After its last request a release may be over before the kill comes.
    missed = ended == 0 and at.number < len(proxy.changes)
    proxy.arm(None)
    assert release(project, recipe, proxy) == 0
    faults = ["it was not killed"] if missed else []
    faults += [f"{len(found)} versions"] if len(found := tracking.versions(recipe)) != 1 else []
    return faults + registry_faults(project, recipe)


def dies_at(work: Callable[[], None], number: int) -> bool:
    """Do the work in a forked process that kills itself before its file of that number, from 1; False: it had fewer.

    A file counts when it takes its place, or is opened where it lies: see `_places_a_file`.
    """
    if (child := os.fork()) == 0:
        _work_until(work, number)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), f"the work failed (status {status})"
    return status == signal.SIGKILL


def _work_until(work: Callable[[], None], number: int) -> NoReturn:
    files = iter(range(1, number + 1))

    def die(event: str, arguments: tuple[Any, ...]) -> None:
        if _places_a_file(event, arguments) and next(files) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        sys.addaudithook(die)
        work()
        code = 0
    finally:
        os._exit(code)  # whatever happened: this is a copy of the test session


def _places_a_file(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audit event of Python is a rename, or opens a ledger or a pointer of DVC for writing."""
    if event == "open":
        file, mode, _ = arguments
        return str(file).endswith((".jsonl", ".dvc")) and bool(set(mode or "") & set("aw"))
    return event == "os.rename"
