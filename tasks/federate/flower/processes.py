"""Flower's processes: a SuperLink, and a SuperNode for each silo that lives on this machine."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tasks import storage
from tasks.errors import ServerError
from tasks.federate.certificates import Certificates
from tasks.federate.flower.client import HOME, launcher

LOOPBACK = "127.0.0.1"
START_PATIENCE_S, GRACE_S, POLL_S = 90.0, 5.0, 0.2
TAIL = 6
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "DO_NOT_TRACK": "1"}

Child = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Addresses:
    """Where a SuperLink listens. Only `fleet`, which silos reach and which checks their keys, may be public."""

    fleet: str
    control: str
    server_app: str


def addresses(fleet: str | None) -> Addresses:
    """Free ports of loopback, but for a `fleet` address that was asked for."""
    free = _free_ports(3)
    return Addresses(fleet or f"{LOOPBACK}:{free[0]}", f"{LOOPBACK}:{free[1]}", f"{LOOPBACK}:{free[2]}")


def super_link(home: Path, where: Addresses, files: Certificates) -> Child:
    """A SuperLink that answers over TLS and takes only registered silos. Raises ServerError when it does not come up."""
    command = [
        _program("flower-superlink"),
        *("--ssl-ca-certfile", str(files.authority)),
        *("--ssl-certfile", str(files.server), "--ssl-keyfile", str(files.server_key)),
        *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
        *("--database", str(home / "superlink.db")),
        *("--fleet-api-address", where.fleet, "--control-api-address", where.control),
        *("--serverappio-api-address", where.server_app),
    ]
    child = spawned(home, "superlink", command)
    for address in (where.control, where.fleet):
        _await_port(address, child, home / "superlink.log")
    return child


def super_node(home: Path, server: str, authority: Path, key: Path) -> Child:
    """The SuperNode of the silo in `home`, which runs our code whatever the server sends."""
    command = [
        _program("flower-supernode"),
        *("--superlink", server, "--root-certificates", str(authority)),
        *("--auth-supernode-private-key", str(key)),
        *("--clientappio-api-address", f"{LOOPBACK}:0"),
        *("--node-config", f'{HOME}="{home}"'),
    ]
    shim = home / "bin" / "flwr-clientapp"
    storage.write_text(shim, launcher())
    shim.chmod(0o700)
    return spawned(home, "supernode", command, first_on_path=shim.parent)


def spawned(home: Path, name: str, command: Sequence[str], first_on_path: Path | None = None) -> Child:
    """The command as a child in our own process group, its output added to NAME.log in its home."""
    home.mkdir(parents=True, exist_ok=True)
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    environment = {**os.environ, **QUIET, "FLWR_HOME": str(home / "flower"), "TIDEMILL_PROGRESS": ""}
    environment["PATH"] = os.pathsep.join([str(first_on_path), *path] if first_on_path else path)
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    with (home / f"{name}.log").open("ab") as output:
        return subprocess.Popen(
            command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )


def end(children: Mapping[str, Child]) -> None:
    """End the processes and all below them: politely, after a grace by force."""
    below = [process for child in children.values() for process in _tree(child)]
    for child in children.values():
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(below, timeout=GRACE_S)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for child in children.values():
        child.wait()


def _tree(child: Child) -> list[psutil.Process]:
    try:
        root = psutil.Process(child.pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def last_words(log: Path) -> str:
    """The end of a log, for an error message."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    told = [line.rstrip() for line in lines if line.strip()][-TAIL:]
    return "\n".join([f"the end of its log {log}:", *(f"  {line}" for line in told)])


def _program(name: str) -> str:
    program = Path(sys.executable).parent / name
    if not program.is_file():
        raise ServerError(f"{program}: is missing; Flower is not installed here: pip install flwr==1.32.1")
    return str(program)


def _await_port(address: str, child: Child, log: Path) -> None:
    host, _, port = address.rpartition(":")
    reached = LOOPBACK if host in ("0.0.0.0", "[::]") else host.strip("[]")  # noqa: S104 (a comparison)
    deadline = time.monotonic() + START_PATIENCE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection((reached, int(port)), timeout=1):
            return
        if child.poll() is not None:
            raise ServerError(f"SuperLink ended at its start (exit code {child.returncode}); {last_words(log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"SuperLink does not listen at {address} after {START_PATIENCE_S:g} s; {last_words(log)}")
        time.sleep(POLL_S)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
