"""The process that runs the rounds: Flower's ServerApp, which leaves everything in the run's folder."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage
from tasks.errors import TidemillError
from tasks.federate import array_file
from tasks.federate.flower import wire
from tasks.federate.messages import Answer, Ask
from tasks.federate.plan import parsed
from tasks.federate.rounds import RESULT, Federation, federated

if TYPE_CHECKING:
    from flwr.app import Context, Message
    from flwr.serverapp import Grid, ServerApp

JOB, INITIAL, FAILED = "job.json", "initial.safetensors", "failed.json"
FOLDER = "folder"
POLL_S, LOOK_S = 0.3, 5.0
NAME = "tidemill_federation"

FILES = {
    "pyproject.toml": f"""[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tidemill"
version = "1.0.0"
description = "The rounds of a Tidemill federation"
license = "Apache-2.0"
dependencies = ["flwr>=1.32.1"]

[tool.hatch.build.targets.wheel]
packages = ["."]

[tool.flwr.app]
publisher = "tidemill"

[tool.flwr.app.components]
serverapp = "{NAME}.server:app"
clientapp = "{NAME}.client:app"

[tool.flwr.app.config]
{FOLDER} = ""
""",
    f"{NAME}/__init__.py": '"""A federation."""\n',
    f"{NAME}/server.py": "from tasks.federate.flower.server import app as made\n\napp = made()\n",
    f"{NAME}/client.py": "from tasks.federate.flower.client import app as made\n\napp = made()\n",
}
"""The app that Flower wants to be sent: it only names our own code, which is installed on both sides."""


@dataclass(frozen=True)
class OverFlower:
    """The silos behind a SuperLink, by the node ids that their keys were registered under."""

    grid: "Grid"
    nodes: Mapping[int, str]

    def connected(self) -> list[str]:
        """The silos whose SuperNode has lately been heard of."""
        return sorted(self.nodes[node] for node in self.grid.get_node_ids() if node in self.nodes)

    def ask(self, question: Ask, silos: Sequence[str], seconds: float) -> list[Answer]:
        """What came in time. A silo that goes offline meanwhile is not waited for."""
        from flwr.app import Message

        record = wire.question_record(question)
        asked = {name: node for node, name in self.nodes.items() if name in silos}
        messages = [Message(record, node, "train", group_id=str(question.round)) for node in asked.values()]
        waiting = dict(zip(self.grid.push_messages(messages), asked, strict=True))
        answers: list[Answer] = []
        deadline, look_at = time.monotonic() + seconds, time.monotonic() + LOOK_S
        while waiting and time.monotonic() < deadline:
            time.sleep(POLL_S)
            answers += self._heard(self.grid.pull_messages(list(waiting)), waiting)
            if time.monotonic() > look_at:
                look_at = time.monotonic() + LOOK_S
                there = self.connected()
                waiting = {message: name for message, name in waiting.items() if name in there}
        return answers

    def _heard(self, replies: "Iterable[Message]", waiting: dict[str, str]) -> list[Answer]:
        """The replies as answers; they are waited for no more."""
        heard = []
        for reply in replies:
            waiting.pop(reply.metadata.reply_to_message_id, None)
            silo = self.nodes[reply.metadata.src_node_id]
            if reply.has_error():
                heard.append(Answer(silo, error=_reason(reply.error.code, str(reply.error.reason))))
            else:
                heard.append(wire.answer(reply.content, silo))
        return heard


def _reason(code: int, said: str) -> str:
    """Flower's error in words."""
    known = {3: "did not answer in time", 4: "did not answer in time", 5: "went away", 8: "lost its client process"}
    return known.get(code) or f"failed: {' '.join(said.split())[:200]}"


def app() -> "ServerApp":
    """An app that runs the job in the folder that the run's configuration names."""
    from flwr.serverapp import ServerApp

    server = ServerApp()

    @server.main()
    def main(grid: "Grid", context: "Context") -> None:
        run(grid, Path(str(context.run_config[FOLDER])))

    return server


def run(grid: "Grid", folder: Path) -> None:
    """Leave result.safetensors in the folder, or failed.json with the reason."""
    job: dict[str, Any] = storage.read_json(folder / JOB)
    nodes = {int(node): name for node, name in job["nodes"].items()}
    federation = Federation(parsed(json.dumps(job["plan"])), job["run"], tuple(sorted(job["invited"])), folder)
    initial = array_file.load(folder / INITIAL)
    if initial is None:
        raise TidemillError(f"{folder / INITIAL}: is missing")
    try:
        state = federated(federation, initial[0], OverFlower(grid, nodes))
    except TidemillError as error:
        storage.write_json(folder / FAILED, {"reason": str(error)})
        return
    array_file.save(folder / RESULT, state.shared)
