"""The environment of servers, flows and stages. Prefect reads it at import, so it is set before."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from flows import studio_access
from tasks.quiet import QUIET

LOOPBACK = "127.0.0.1"

STUDIO_URL, STUDIO_TOKEN = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"
"""As Label Studio's own SDK names them: who sets them has a Label Studio already."""


def project(home: Path) -> dict[str, str]:
    """What every process of this project needs, whatever it does."""
    return {
        **QUIET,
        "TIDEMILL_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "NO_PROXY": _without_proxy(os.environ),
        "no_proxy": _without_proxy(os.environ),
    }


def _without_proxy(environment: Mapping[str, str]) -> str:
    """The hosts that no proxy serves, our own among them."""
    said = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    hosts = [host.strip() for host in said.split(",") if host.strip()]
    return ",".join(dict.fromkeys([*hosts, LOOPBACK, "localhost"]))


def flow(home: Path, urls: Mapping[str, str]) -> dict[str, str]:
    """What a process that runs flows needs: the two servers, and no log lines of Prefect between our own."""
    return {
        **project(home),
        "PREFECT_API_URL": f"{urls['prefect']}/api",
        "MLFLOW_TRACKING_URI": urls["mlflow"],
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
        # Each try waits twice as long as the last: with the default of five a lost server is noticed after minutes.
        "PREFECT_CLIENT_MAX_RETRIES": os.environ.get("PREFECT_CLIENT_MAX_RETRIES", "2"),
    }


def studio(home: Path, url: str) -> dict[str, str]:
    """What a process that talks to Label Studio needs: the address, and the token of our own when it is ours."""
    given = os.environ.get(STUDIO_TOKEN, "")
    theirs = os.environ.get(STUDIO_URL, "").rstrip("/") == url and given
    return {STUDIO_URL: url, STUDIO_TOKEN: given if theirs else studio_access.administrator(home).token}


def apply(environment: Mapping[str, str]) -> None:
    """Make it the environment of this process. Prefect complains when it cannot make its folder in one step."""
    Path(environment["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    os.environ.update(environment)


def stage(environment: Mapping[str, str]) -> dict[str, str]:
    """What a stage's process gets: this Python first on the path, output line by line, progress as lines."""
    return {
        **environment,
        **QUIET,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "TIDEMILL_PROGRESS": "lines",
    }
