"""The servers that Tidemill keeps: how each is started, and how it says that it is well."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flows import settings, studio_access, studio_install
from flows.settings import LOOPBACK
from tasks.paths import project_root
from tasks.quiet import QUIET

WORK_POOL = "tidemill"


@dataclass(frozen=True)
class Server:
    """One server, ready to be started on one port."""

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """What it needs beside the environment of the caller."""
    port: int
    health_path: str
    patience_s: float = 180.0
    """How long its start may take: a first one migrates a database; on a busy machine that has taken a minute."""
    folder: Path | None = None
    """Where it runs; default: the home folder."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"


NAMES = ("prefect", "mlflow", "worker", "studio", "receiver", "evidently")
TITLES = {
    "prefect": "Prefect",
    "mlflow": "MLflow",
    "worker": "Prefect worker",
    "studio": "Label Studio",
    "receiver": "Label receiver",
    "evidently": "Evidently",
}
HEALTH_PATHS = {
    "prefect": "/api/health",
    "mlflow": "/health",
    "worker": "/health",
    "studio": "/health",
    "receiver": "/health",
    "evidently": "/api/version",
}
PREFERRED_PORTS = {
    "prefect": 4200,
    "mlflow": 5000,
    "worker": 8080,
    "studio": 8090,
    "receiver": 8091,
    "evidently": 8092,
}
URL_VARIABLES = {"prefect": "PREFECT_API_URL", "mlflow": "MLFLOW_TRACKING_URI", "studio": "LABEL_STUDIO_URL"}
"""A user who sets one of these has a server already; ours is not started then."""


def prefect(home: Path, port: int) -> Server:
    """The Prefect server, on SQLite in the home folder."""
    command = ("prefect", "server", "start", "--host", LOOPBACK, "--port", str(port), "--analytics-off")
    variables = {
        "PREFECT_API_URL": f"http://{LOOPBACK}:{port}/api",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Kept in memory, a killed run's slot of its schedule would be taken for ever once the server restarts.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    return _server("prefect", command, {**settings.project(home), **variables}, port)


def mlflow(home: Path, port: int) -> Server:
    """The MLflow server, on SQLite and a folder of artifacts in the home folder. It answers loopback names only."""
    folder = home / "mlflow"
    command = (
        *("mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
        *("--allowed-hosts", f"{LOOPBACK}:*,localhost:*"),
        *("--cors-allowed-origins", f"http://{LOOPBACK}:{port},http://localhost:{port}"),
    )
    # With job execution MLflow starts ten processes and takes 1.2 GB.
    variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "HF_HUB_OFFLINE": "1"}
    return _server("mlflow", command, {**settings.project(home), **variables}, port)


def worker(home: Path, port: int, urls: Mapping[str, str]) -> Server:
    """The process that runs what Prefect has scheduled in our work pool."""
    command = (
        *("prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process"),
        *("--name", "tidemill", "--with-healthcheck", "--install-policy", "never"),
    )
    variables = {
        "PREFECT_WORKER_WEBSERVER_HOST": LOOPBACK,
        "PREFECT_WORKER_WEBSERVER_PORT": str(port),
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
        "PREFECT_INTERNAL_LOGGING_LEVEL": "ERROR",
    }
    return _server("worker", command, {**settings.flow(home, urls), **variables}, port)


def studio(home: Path, port: int) -> Server:
    """Label Studio on SQLite, telemetry and sign-up without an invitation off. What is secret stands in no argument."""
    admin = studio_access.administrator(home)
    command = (
        *(str(studio_install.program(home)), "start", "--no-browser"),
        *("--internal-host", LOOPBACK, "--port", str(port), "--host", f"http://{LOOPBACK}:{port}"),
    )
    variables = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(studio_access.folder(home) / "data"),
        # These three make the administrator at the first start; the fourth lets the token in.
        "LABEL_STUDIO_USERNAME": admin.email,
        "LABEL_STUDIO_PASSWORD": admin.password,
        "LABEL_STUDIO_USER_TOKEN": admin.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "1",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "1",
        "LATEST_VERSION_CHECK": "0",
        "COLLECT_ANALYTICS": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "DEBUG": "0",
        # Its webhooks go to our receiver, which is on loopback too.
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "0",
        # It has packages named `tasks` and `users` of its own.
        "PYTHONPATH": "",
        "PYTHONUNBUFFERED": "1",
    }
    # Its first start runs hundreds of migrations: half a minute of one core, minutes on a busy machine.
    return Server("studio", TITLES["studio"], command, {**QUIET, **variables}, port, HEALTH_PATHS["studio"], 600.0)


def receiver(home: Path, port: int) -> Server:
    """What Label Studio tells of every answer, so that the pull is continuous."""
    variables = {"TIDEMILL_RECEIVER_PORT": str(port), "TIDEMILL_HOME": str(home)}
    started = _server("receiver", ("flows.label_receiver",), {**settings.project(home), **variables}, port)
    return replace(started, folder=project_root())


def evidently(home: Path, port: int) -> Server:
    """Evidently's pages over the workspace in the home folder: the verdicts of all recipes and their trends."""
    command = ("evidently.cli", "ui", "--workspace", str(home / "evidently"), "--host", LOOPBACK, "--port", str(port))
    return _server("evidently", command, settings.project(home), port)


def _server(name: str, command: tuple[str, ...], variables: Mapping[str, str], port: int) -> Server:
    environment = {**variables, "PATH": settings.stage(os.environ)["PATH"], "PYTHONUNBUFFERED": "1"}
    return Server(name, TITLES[name], (sys.executable, "-m", *command), environment, port, HEALTH_PATHS[name])
