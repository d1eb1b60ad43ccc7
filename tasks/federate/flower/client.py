"""The process that answers one message in a silo: `flwr-clientapp`, but with the silo's own code.

Flower sends the app's code along with a run and would execute it. A silo does not: it puts this process in the place
of Flower's, which neither unpacks nor imports what came, and answers with what its operator has installed.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import TidemillError
from tasks.federate.flower import wire
from tasks.federate.messages import Answer
from tasks.federate.silo import answer

if TYPE_CHECKING:
    from flwr.app import Context, Message
    from flwr.clientapp import ClientApp

HOME = "home"
"""Key of the silo's home in the node's configuration."""


def app() -> "ClientApp":
    """An app that hands every question to the silo."""
    from flwr.app import Message
    from flwr.clientapp import ClientApp

    silo = ClientApp()

    @silo.train()
    def train(message: "Message", context: "Context") -> "Message":
        home = Path(str(context.node_config[HOME]))
        try:
            told = answer(home, wire.question(message.content))
        except TidemillError as error:
            told = Answer(home.name, error=str(error))
        return Message(content=wire.answer_record(told), reply_to=message)

    return silo


def main() -> None:
    """Run Flower's client process with our app, whatever app the run came with."""
    from flwr.supernode.cli.flwr_clientapp import flwr_clientapp
    from flwr.supernode.runtime import run_clientapp

    def unpack_nothing(*_: Any, **__: Any) -> None:
        """Leave the code that came with the run alone."""

    def ours(**_: Any) -> Any:
        return lambda *_: app()

    run_clientapp.install_from_fab = unpack_nothing  # type: ignore[attr-defined, assignment]
    run_clientapp.get_load_client_app_fn = ours  # type: ignore[attr-defined, assignment]
    flwr_clientapp()


def launcher() -> str:
    """A program that runs `main` with this Python; it has to be called flwr-clientapp."""
    return f"#!{sys.executable}\nfrom tasks.federate.flower.client import main\n\nmain()\n"
