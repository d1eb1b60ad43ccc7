"""A version's endpoint as a real process, started as it will serve, and asked over HTTP."""

import contextlib
import http.client
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tasks import storage
from tasks.errors import ServerError
from tasks.images import data_uri
from tasks.recipe import Recipe

LISTENING = "listening on "
"""What the endpoint prints before its URL."""
START_PATIENCE_S = 120.0
STOP_PATIENCE_S = 15.0
ANSWER_PATIENCE_S = 60.0
SIZES = (1, 2, 8)
"""Records in a request, in turn: an answer must not follow its neighbours."""


@contextlib.contextmanager
def running(recipe: Recipe, folder: Path) -> Iterator[str]:
    """The address (host:port on loopback) of the endpoint of the model in `folder`, ended on leaving.

    Raises ServerError with its last line when it does not start.
    """
    with storage.scratch() as place:
        file = place / f"{recipe.name}.yaml"
        storage.write_text(file, recipe.model_dump_json(by_alias=True))
        child = subprocess.Popen(
            [sys.executable, "-m", "tasks.serve", str(folder), str(file), "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            yield _address(child)
        finally:
            _end(child)


def _address(child: "subprocess.Popen[str]") -> str:
    """What the child says it listens on."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_pass_on, args=(child.stdout, lines), daemon=True).start()
    deadline, last = time.monotonic() + START_PATIENCE_S, "it said nothing"
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise ServerError(f"the endpoint does not listen after {START_PATIENCE_S:g} s; {last}") from None
        if line.startswith(LISTENING):
            return line.rpartition("//")[2].strip()
        if not line:
            raise ServerError(f"the endpoint ended at its start: {last}")
        last = line.strip().removeprefix("error: ") or last


def _pass_on(output: "IO[str] | None", lines: "queue.Queue[str]") -> None:
    """Put every line into the queue, and an empty one at the end; a full pipe would stop the endpoint."""
    with output or contextlib.nullcontext(iter(())) as source:
        for line in source:
            lines.put(line)
    lines.put("")


def _end(child: "subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.wait(STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def asked(address: str, column: str, contents: Sequence[object]) -> list[dict[str, Any]]:
    """The endpoint's prediction for each content. Raises ServerError when it does not answer as it should."""
    answered: list[dict[str, Any]] = []
    host, _, port = address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_PATIENCE_S)
    with contextlib.closing(connection):
        while len(answered) < len(contents):
            size = SIZES[len(answered) % len(SIZES)]
            records = [{column: _plain(content)} for content in contents[len(answered) : len(answered) + size]]
            answered += _predicted(connection, records)
    return answered


def unreadable(error: Exception) -> ServerError:
    """What is raised for an answer that is none."""
    return ServerError(f"the endpoint gives no answer that can be read: {error!r}")


def _plain(content: object) -> object:
    """The content as JSON can hold it: bytes become a `data:` URI."""
    return data_uri(content) if isinstance(content, bytes) else content


def _predicted(connection: http.client.HTTPConnection, records: list[dict[str, object]]) -> list[dict[str, Any]]:
    try:
        connection.request("POST", "/v1/predict", json.dumps({"records": records}))
        response = connection.getresponse()
        value = json.loads(response.read())
        if response.status != http.HTTPStatus.OK:
            raise ServerError(f"the endpoint answers {response.status}: {value.get('error')}")
        return list(value["predictions"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise unreadable(error) from error
