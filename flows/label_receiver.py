"""Keeps the pull continuous: Label Studio tells here of every answer; what is wanted is noted first, then pulled.

A note is an empty file by the recipe's name: it says that there is something new, Label Studio itself says what. It is
taken before the pull and put back when the pull fails, so nothing is lost whoever dies, and nothing is done twice.
"""

import hmac
import os
import signal
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flows import studio_access
from flows.events import Event, Line
from flows.settings import LOOPBACK
from flows.stage_process import Job, run
from tasks.errors import TidemillError
from tasks.paths import home, project_root
from tasks.storage import write_bytes

SECRET_HEADER = "X-Tidemill-Secret"  # noqa: S105 (its name, not its value)
QUIET_S = 5.0
"""How long answers are gathered before one pull takes them all."""
RETRY_S = 60.0
LOOK_EVERY_S = 0.5
LIMITS = {"memory_gb": 4.0, "minutes": 30.0}


def queue(home_folder: Path) -> Path:
    """The folder of notes."""
    return home_folder / "label-queue"


def watched(home_folder: Path) -> list[str]:
    """The recipes whose answers are pulled by themselves."""
    return sorted(file.stem for file in queue(home_folder).glob("*.watched"))


def watch(home_folder: Path, recipe: str) -> None:
    """Pull this recipe's answers by themselves from now on, those that are there already first."""
    mark(home_folder, recipe)
    note(home_folder, recipe)


def mark(home_folder: Path, recipe: str) -> None:
    """Let this recipe's answers be pulled by themselves, from the first that Label Studio tells of."""
    write_bytes(queue(home_folder) / f"{recipe}.watched", b"")


def unmark(home_folder: Path, recipe: str) -> None:
    """Pull this recipe's answers on command alone from now on."""
    (queue(home_folder) / f"{recipe}.watched").unlink(missing_ok=True)


def note(home_folder: Path, recipe: str) -> None:
    """Say that the recipe has something new; on disk when it returns."""
    write_bytes(queue(home_folder) / f"{recipe}.new", b"")


def taken(home_folder: Path) -> str | None:
    """A recipe that has something new for QUIET_S seconds at least, its note taken; or None."""
    for file in sorted(queue(home_folder).glob("*.new")):
        if time.time() - file.stat().st_mtime >= QUIET_S:
            file.unlink()
            return file.stem
    return None


class Hook(BaseHTTPRequestHandler):
    """Notes what Label Studio tells, and answers at once: Label Studio waits for a second and never asks again."""

    folder: Path
    secret: str

    def do_GET(self) -> None:
        """How it is."""
        self._answer(HTTPStatus.OK if self.path == "/health" else HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """`/RECIPE`: it has something new."""
        given, recipe = self.headers.get(SECRET_HEADER, ""), self.path.strip("/")
        if not hmac.compare_digest(given.encode(), self.secret.encode()):
            self._answer(HTTPStatus.FORBIDDEN)
        elif recipe not in watched(self.folder):
            self._answer(HTTPStatus.NOT_FOUND)
        else:
            note(self.folder, recipe)
            self._answer(HTTPStatus.ACCEPTED)

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Nothing: a line an answer says nothing that the pull does not say."""


def pull(root: Path, recipe: str) -> bool:
    """Whether the recipe's new answers have landed."""
    command = (sys.executable, "-m", "flows.cli", "labels", "pull", recipe)
    deadline = time.monotonic() + LIMITS["minutes"] * 60
    try:
        run(Job(f"pull@{recipe}", command, root, LIMITS["memory_gb"], deadline, LIMITS["minutes"]), _print)
    except TidemillError as error:
        print(f"{error}; the next try is in {RETRY_S:g} s", flush=True)
        return False
    return True


def _print(event: Event) -> None:
    if isinstance(event, Line):
        print(event.text, flush=True)


def serve(port: int) -> None:
    """Answer and pull until the process is ended; whatever came while nobody listened is pulled first."""
    root = project_root()
    folder = home(root)
    Hook.folder, Hook.secret = folder, studio_access.hook_secret(folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer((LOOPBACK, port), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for recipe in watched(folder):
            note(folder, recipe)
        while True:
            recipe_or_none = taken(folder)
            if recipe_or_none is None:
                time.sleep(LOOK_EVERY_S)
            elif not pull(root, recipe_or_none):
                note(folder, recipe_or_none)
                time.sleep(RETRY_S)


if __name__ == "__main__":
    serve(int(os.environ["TIDEMILL_RECEIVER_PORT"]))
