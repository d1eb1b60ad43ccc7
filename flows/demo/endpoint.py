"""The project's real endpoint, and days that pass in seconds: the traffic log's rows are dated anew, nothing else."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pandas as pd

from flows.demo.project import NAME, Project
from flows.demo.world import batches
from tasks import storage
from tasks.errors import ServerError
from tasks.serve.run import LISTENING
from tasks.watch.window import STAMP

AT_ONCE = 64
PATIENCE_S = 120.0
LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Endpoint:
    """Where the champion answers."""

    client: httpx.Client

    def ask(self, texts: Sequence[str]) -> list[int]:
        """The version that answered each of the texts."""
        versions: list[int] = []
        for some in batches(list(texts), AT_ONCE):
            answer = self.client.post("/v1/predict", json={"records": [{"text": text} for text in some]})
            if answer.status_code != httpx.codes.OK:
                raise ServerError(f"the endpoint says {answer.status_code}: {answer.text[:200]}")
            versions += [answer.json()["version"]] * len(some)
        return versions

    def wait_for(self, version: int | None) -> float:
        """Seconds until that version answers. Raises ServerError when it does not."""
        started = time.monotonic()
        while self.ask(["Is somebody there?"]) != [version]:
            if time.monotonic() - started > PATIENCE_S:
                raise ServerError(f"the endpoint does not answer with version {version} after {PATIENCE_S:g} s")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - started


@contextlib.contextmanager
def serving(project: Project) -> Iterator[Endpoint]:
    """`tidemill serve` as a process of its own, for as long as the block runs. Raises ServerError with its last line."""
    log = project.root / "serve.log"
    with log.open("w", encoding="utf-8") as output:
        command = (sys.executable, "-u", "-m", "flows.cli", "serve", NAME, "--port", "0")
        child = subprocess.Popen(
            command, cwd=project.root, env=project.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        with httpx.Client(base_url=_address(child, log), timeout=60, trust_env=False) as client:
            yield Endpoint(client)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()


def _address(child: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and child.poll() is None:
        said = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith(LISTENING)]
        if said:
            return said[-1].removeprefix(LISTENING).strip()
        time.sleep(LOOK_EVERY_S)
    raise ServerError(f"the endpoint did not start; see {log}")


def a_day(project: Project, endpoint: Endpoint, day: pd.DataFrame, begins: datetime) -> int:
    """The version that answered the day's texts, which the traffic log then has at times of that day."""
    folder = project.home / "traffic" / NAME
    before = set(folder.glob("*.parquet"))
    versions = endpoint.ask(day["text"].tolist())
    _wait_until_written(folder, before, len(day))
    date(folder, before, begins)
    return versions[-1]


def _wait_until_written(folder: Path, before: set[Path], rows: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while sum(len(storage.read_table(file, ["at"])) for file in set(folder.glob("*.parquet")) - before) < rows:
        if time.monotonic() > deadline:
            raise ServerError(f"{folder}: the traffic log has not got all answers after {PATIENCE_S:g} s")
        time.sleep(LOOK_EVERY_S)


def date(folder: Path, before: set[Path], begins: datetime) -> None:
    """Spread the rows that were logged since then over the day, in their order, in one file."""
    files = sorted(set(folder.glob("*.parquet")) - before)
    rows = pd.concat([storage.read_table(file) for file in files]).sort_values("at", kind="stable", ignore_index=True)
    places = pd.to_timedelta((rows.index.to_numpy() + 1) / len(rows) * 86_399, unit="s")
    at = (pd.Timestamp(begins) + places).astype("datetime64[us, UTC]")
    name = (begins + timedelta(days=1)).strftime(STAMP)
    storage.write_table(folder / f"{name}-{rows['prediction_id'].iloc[0][-6:]}.parquet", rows.assign(at=at))
    for file in files:
        file.unlink()
