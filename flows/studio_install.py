"""Label Studio's own environment: its server cannot share one with DVC, which needs a newer pyarrow."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from flows import studio_access
from tasks import storage
from tasks.errors import ServerError

LOCK = Path(__file__).with_name("studio.lock")
"""Every package with version and sha256, for Linux and macOS; `make lock` chooses them anew."""


def program(home: Path) -> Path:
    """Where the server's program is, or will be."""
    return studio_access.folder(home) / "venv" / "bin" / "label-studio"


def installed(home: Path) -> bool:
    """Whether the environment is whole and the one that the lock file asks for."""
    mark = _mark(home)
    return mark.is_file() and mark.read_text(encoding="utf-8") == storage.sha256_file(LOCK)


def install(home: Path) -> None:
    """Make the environment, a gigabyte; the mark is written last. Raises ServerError with pip's last words."""
    place = studio_access.folder(home) / "venv"
    shutil.rmtree(place, ignore_errors=True)
    log = home / "logs" / "studio-install.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    _run([sys.executable, "-m", "venv", "--without-pip", str(place)], log)
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "--no-input"]
    options = ["--no-deps", "--require-hashes", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "install", *options, "-r", str(LOCK)], log)
    storage.write_text(_mark(home), storage.sha256_file(LOCK))


def _mark(home: Path) -> Path:
    return studio_access.folder(home) / "venv" / "tidemill-lock"


def _run(command: Sequence[str], log: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PIP_USER")}
    with log.open("ab") as output:
        ended = subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "")
        raise ServerError(f"Label Studio could not be installed ({said}); the whole log: {log}")
