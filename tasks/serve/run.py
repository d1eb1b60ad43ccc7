"""Serve until told to stop: a model folder, as it lies there."""

import socket
from pathlib import Path

from tasks.errors import ServerError
from tasks.recipe import Recipe
from tasks.serve import live
from tasks.serve.app import app
from tasks.serve.batching import Batcher
from tasks.serve.state import State

LOOPBACK = "127.0.0.1"
LISTENING = "listening on "
"""A line of the output that starts so ends with the server's URL: it answers from then on."""

CONNECTIONS = 2048
"""More at once are answered 503 by uvicorn itself, before memory grows."""

STOP_GRACE_S = 10


def serve_folder(recipe: Recipe, folder: Path, host: str, port: int) -> None:
    """Serve the model in `folder`. Raises TidemillError when it cannot be loaded, ServerError without the port."""
    loaded = live.load(folder, None, recipe.threads)
    listen(State(recipe, loaded, Batcher(recipe.threads, recipe.serve.waiting)), host, port)


def listen(server: State, host: str, port: int) -> None:
    """Answer on the port (0: any free one) until SIGTERM or SIGINT."""
    import uvicorn

    with _bound(host, port) as listener:
        config = uvicorn.Config(
            app(server),
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=STOP_GRACE_S,
        )
        listener.listen(CONNECTIONS)
        name, number = listener.getsockname()[:2]
        print(f"{LISTENING}http://{name}:{number}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ServerError(f"{host}:{port}: cannot listen ({error.strerror}); give another --port, or 0") from error
