"""The servers of a project: started side by side, kept, looked at, ended."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows import server_state, studio_install
from flows.health import healthy
from flows.process_tree import alive, end, identity
from flows.server_commands import (
    HEALTH_PATHS,
    NAMES,
    PREFERRED_PORTS,
    TITLES,
    URL_VARIABLES,
    Server,
    evidently,
    mlflow,
    prefect,
    receiver,
    studio,
    worker,
)
from flows.server_state import Started
from flows.settings import LOOPBACK
from tasks import file_lock
from tasks.errors import ServerError

LOCK_PATIENCE_S = 900.0
"""How long a second caller waits for the first, which may install Label Studio."""
STOP_GRACE_S = 10.0
POLL_S = 0.2
LOG_TAIL = 8

State = Literal["healthy", "not answering", "died", "stopped", "external"]


PORT_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Report:
    """How one server is."""

    name: str
    title: str
    state: State
    url: str | None
    pid: int | None
    log: Path


def up(home: Path, names: Sequence[str] = ("prefect", "mlflow")) -> dict[str, str]:
    """The URLs of Prefect and MLflow (or of `names` alone), all well: what runs is kept, what is missing is started.

    A second caller waits for the first. Raises ServerError with the last lines of its log when a server cannot start.
    """
    outside = {name: url for name, url in external(home).items() if name in names}
    _require_answers(outside)
    with _lock(home):
        started = _ensured(home, [name for name in names if name not in outside])
    return {**outside, **{server.name: server.url for server in started}}


def studio_up(home: Path) -> str:
    """The URL of Label Studio, which is well: installed and started if need be. Raises ServerError like `up`."""
    with _lock(home):
        if "studio" not in external(home) and not studio_install.installed(home):
            studio_install.install(home)
    return up(home, ("studio",))["studio"]


def evidently_up(home: Path) -> str:
    """The URL of Evidently's pages, started if need be. Raises ServerError like `up`."""
    return up(home, ("evidently",))["evidently"]


def worker_up(home: Path, urls: Mapping[str, str]) -> None:
    """Start the worker that runs what is scheduled, if it does not run yet. Raises ServerError like `up`."""
    with _lock(home):
        if server_state.living(home, "worker") is None:
            _started([worker(home, _port(home, "worker"), urls)], home)


def receiver_up(home: Path) -> str:
    """The URL of the label receiver, started if it does not run yet. Raises ServerError like `up`."""
    with _lock(home):
        running = server_state.living(home, "receiver")
        if running is None:
            (running,) = _started([receiver(home, _port(home, "receiver"))], home)
    return running.url


def down(home: Path, names: Sequence[str] = NAMES) -> list[str]:
    """The names of the servers that ran and are ended now, the worker first."""
    ended = []
    with _lock(home):
        for name in reversed(names):
            if started := server_state.living(home, name):
                end(started.process, STOP_GRACE_S)
                ended.append(name)
            server_state.forget(home, name)
    return ended


def status(home: Path) -> list[Report]:
    """One report for each server that Tidemill can keep."""
    outside = external(home)
    return [_report(home, name, outside.get(name)) for name in NAMES]


def external(home: Path) -> dict[str, str]:
    """The URLs of servers that the user named in the environment and that are not ours."""
    said = {name: os.environ.get(variable, "").rstrip("/") for name, variable in URL_VARIABLES.items()}
    urls = {name: url.removesuffix("/api") if name == "prefect" else url for name, url in said.items() if url}
    ours = {name: started.url for name in urls if (started := server_state.read(home, name))}
    return {name: url for name, url in urls.items() if url != ours.get(name)}


def _require_answers(outside: Mapping[str, str]) -> None:
    """Raises ServerError when a server that the user named does not answer (a database URL is not asked)."""
    for name, url in outside.items():
        if url.startswith("http") and not healthy(url + HEALTH_PATHS[name]):
            variable = URL_VARIABLES[name]
            raise ServerError(
                f"{variable}: {TITLES[name]} does not answer at {url}; start it, or unset {variable} to use our own"
            )


def _lock(home: Path) -> contextlib.AbstractContextManager[None]:
    return file_lock.held(home / "servers" / "up.lock", LOCK_PATIENCE_S)


def _report(home: Path, name: str, outside: str | None) -> Report:
    log = server_state.log_file(home, name)
    if outside:
        return Report(name, TITLES[name], "external", outside, None, log)
    started = server_state.read(home, name)
    if started is None:
        return Report(name, TITLES[name], "stopped", None, None, log)
    if server_state.living(home, name) is None:
        return Report(name, TITLES[name], "died", None, None, log)
    state: State = "healthy" if healthy(started.url + HEALTH_PATHS[name]) else "not answering"
    return Report(name, TITLES[name], state, started.url, started.process.pid, log)


def _ensured(home: Path, names: Sequence[str]) -> list[Started]:
    """Those servers, well. One that lives but has stopped answering is ended and started anew."""
    kept = []
    for name in names:
        started = server_state.living(home, name)
        if started and _answers(started):
            kept.append(started)
        elif started:
            end(started.process, STOP_GRACE_S)
    known = {started.name for started in kept}
    make = {"prefect": prefect, "mlflow": mlflow, "studio": studio, "evidently": evidently}
    missing = [make[name](home, _port(home, name)) for name in names if name not in known]
    return kept + (_started(missing, home) if missing else [])


def _answers(started: Started, patience_s: float = 30.0) -> bool:
    """Whether a living server is well, or becomes so (another `up` may have been killed while it waited)."""
    deadline = time.monotonic() + patience_s
    while not healthy(started.url + HEALTH_PATHS[started.name]):
        if time.monotonic() > deadline or not alive(started.process):
            return False
        time.sleep(POLL_S)
    return True


def _port(home: Path, name: str) -> int:
    """The port that this server had last, or is known for, if that is free, else one that is.

    The last one is waited for: a server that was killed may hold its port a moment longer.
    """
    last = server_state.read(home, name)
    if last is not None and (port := _free(last.port, PORT_PATIENCE_S)):
        return port
    port = _free(PREFERRED_PORTS[name]) or _free(0)
    if port is None:
        raise ServerError(f"{LOOPBACK}: there is no free port for {TITLES[name]}; end something that listens here")
    return port


def _free(wanted: int, patience_s: float = 0.0) -> int | None:
    """The port if nobody listens on it within the time given (0: any port), else None."""
    deadline = time.monotonic() + patience_s
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, wanted))
            return int(probe.getsockname()[1])
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.1)


def _started(servers: Sequence[Server], home: Path) -> list[Started]:
    """All of them started at once, then waited for. If one fails, or the user stops it, none of them is left."""
    children = [(server, _spawned(server, home)) for server in servers]
    try:
        for server, child in children:
            _await_health(server, child, server_state.log_file(home, server.name))
    except BaseException:
        for server, child in children:
            if leader := identity(child.pid):
                end(leader, STOP_GRACE_S)
            child.wait()
            server_state.forget(home, server.name)
        raise
    for _, child in children:
        child.returncode = 0  # Popen warns of a child that outlives it; these shall.
    return [started for server in servers if (started := server_state.living(home, server.name))]


def _spawned(server: Server, home: Path) -> "subprocess.Popen[bytes]":
    """The server's process in a session of its own, on record from its first moment."""
    log = server_state.log_file(home, server.name)
    for folder in (log.parent, home / server.name):
        folder.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            server.command,
            cwd=server.folder or home,
            env={**os.environ, **server.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if process := identity(child.pid):
        server_state.write(home, Started(server.name, process, server.port, server.url))
    return child


def _await_health(server: Server, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + server.patience_s
    while not healthy(server.url + server.health_path):
        if child.poll() is not None:
            raise ServerError(f"{server.title} ended at its start (exit code {child.returncode}); {_last_words(log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"{server.title} does not answer after {server.patience_s:g} s; {_last_words(log)}")
        time.sleep(POLL_S)
    if child.poll() is not None:
        raise ServerError(f"{server.title} ended at its start, and another server answers at {server.url}")


def _last_words(log: Path) -> str:
    lines = [line.rstrip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if not lines:
        return f"its log {log} is empty"
    return "\n".join([f"the end of its log {log}:", *(f"  {line}" for line in lines[-LOG_TAIL:])])
