"""A small real project with servers of its own, for as long as a benchmark runs."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from small_project import write_template
from tiny_project import Servers

from flows import server_commands, servers


@dataclass(frozen=True)
class Place:
    """A temporary folder, the servers that run in it, and the project before anything ran."""

    folder: Path
    running: Servers
    template: Path


@contextlib.contextmanager
def opened(name: str) -> Iterator[Place]:
    """The place; its servers are stopped and its files removed afterwards, also after SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server_commands.PREFERRED_PORTS.update(dict.fromkeys(server_commands.PREFERRED_PORTS, 0))
    # On a shared machine threads that wait must not burn what the others need; no bit depends on it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        os.environ.pop(variable, None)
    with tempfile.TemporaryDirectory(prefix=f"tidemill-{name}-") as kept:
        folder = Path(kept)
        home, empty = folder / "home", folder / "empty"
        empty.mkdir()
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=empty, check=True)
        try:
            running = Servers(home, servers.up(home))
            os.environ["MLFLOW_TRACKING_URI"] = running.urls["mlflow"]
            yield Place(folder, running, write_template(folder / "template", empty))
        finally:
            servers.down(home)
