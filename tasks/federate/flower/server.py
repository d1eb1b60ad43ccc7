"""The process that runs the rounds: Flower's ServerApp, which leaves everything in the run's folder."""

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage
from tasks.errors import ServerError, TidemillError
from tasks.federate import array_file
from tasks.federate.asking import RETURN_S
from tasks.federate.flower import control, wire
from tasks.federate.flower.app_files import FOLDER
from tasks.federate.flower.control import Control
from tasks.federate.messages import GONE, Answer, Ask
from tasks.federate.plan import parsed
from tasks.federate.rounds import federated
from tasks.federate.state import RESULT, Federation

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.serverapp import Grid, ServerApp

JOB, INITIAL, FAILED = "job.json", "initial.safetensors", "failed.json"
POLL_S, LOOK_S = 0.3, 3.0
UNAVAILABLE = 5
"""Flower's code for a SuperNode that is not connected."""


@dataclass(frozen=True)
class Waiting:
    """A question that is on its way: to whom, and since when its SuperNode is connected."""

    silo: str
    since: str


@dataclass(frozen=True)
class OverFlower:
    """The silos behind a SuperLink, by the node ids that their keys were registered under."""

    grid: "Grid"
    nodes: Mapping[int, str]
    control: Control

    def connected(self) -> list[str]:
        """The silos whose SuperNode has lately been heard of."""
        return sorted(self.nodes[node] for node in self.grid.get_node_ids() if node in self.nodes)

    def ask(self, question: Ask, silos: Sequence[str], seconds: float) -> list[Answer]:
        """What came in time. A silo whose SuperNode starts anew is asked again; one away for RETURN_S is given up."""
        answers: list[Answer] = []
        away: dict[str, float] = {}
        waiting = self._pushed(question, silos, self._online())
        begun = look_at = time.monotonic()
        while (waiting or away) and time.monotonic() < begun + seconds:
            time.sleep(POLL_S)
            heard, gone = self._heard(waiting)
            answers += heard
            away |= dict.fromkeys(gone, time.monotonic())
            if time.monotonic() > look_at + LOOK_S:
                look_at = time.monotonic()
                waiting |= self._asked_again(question, waiting, away)
                lost = [silo for silo, left_at in away.items() if look_at > left_at + RETURN_S]
                answers += [Answer(silo, error=GONE) for silo in lost]
                away = {silo: left_at for silo, left_at in away.items() if silo not in lost}
        return answers

    def _online(self) -> dict[str, str]:
        """Since when each silo is connected; nothing when the SuperLink does not say."""
        with contextlib.suppress(ServerError):
            return control.online(self.control, self.nodes)
        return {}

    def _pushed(self, question: Ask, silos: Sequence[str], online: Mapping[str, str]) -> dict[str, Waiting]:
        """The messages by their ids."""
        from flwr.app import Message

        record = wire.question_record(question)
        asked = {node: silo for node, silo in self.nodes.items() if silo in silos}
        messages = [Message(record, node, "train", group_id=str(question.round)) for node in asked]
        ids = self.grid.push_messages(messages)
        sent = zip(ids, asked.values(), strict=True)
        return {one: Waiting(silo, online.get(silo, "")) for one, silo in sent if one}  # none: was not taken

    def _asked_again(self, question: Ask, waiting: dict[str, Waiting], away: dict[str, float]) -> dict[str, Waiting]:
        """New messages to silos that are back; a message to a SuperNode that is no more is waited for no longer."""
        online = self._online()
        if not online:
            return {}
        for one, sent in list(waiting.items()):
            if online.get(sent.silo) != sent.since:
                away.setdefault(sent.silo, time.monotonic())
                del waiting[one]
        back = [silo for silo in away if silo in online]
        for silo in back:
            del away[silo]
        return self._pushed(question, back, online) if back else {}

    def _heard(self, waiting: dict[str, Waiting]) -> tuple[list[Answer], list[str]]:
        """The replies as answers, and the silos that Flower says are gone; they are waited for no more."""
        heard, gone = [], []
        for reply in self.grid.pull_messages(list(waiting)) if waiting else ():
            # An error that the SuperLink itself makes does not say which silo it speaks of.
            silo = waiting.pop(str(reply.metadata.reply_to_message_id)).silo
            if reply.has_error() and reply.error.code == UNAVAILABLE:
                gone.append(silo)
            elif reply.has_error():
                heard.append(Answer(silo, error=_reason(reply.error.code, str(reply.error.reason))))
            else:
                heard.append(wire.answer(reply.content, silo))
        return heard, gone


def _reason(code: int, said: str) -> str:
    """Flower's error in words."""
    known = {3: "did not answer in time", 4: "did not answer in time", 8: "lost its client process"}
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
        fleet = OverFlower(grid, nodes, Control(job["control"], Path(job["authority"])))
        state = federated(federation, initial[0], fleet)
    except TidemillError as error:
        storage.write_json(folder / FAILED, {"reason": str(error)})
        return
    array_file.save(folder / RESULT, state.shared)
