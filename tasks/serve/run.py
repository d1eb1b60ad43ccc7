"""Serve until told to stop: a model folder as it lies there, or a recipe's champion wherever its alias goes."""

import socket
from pathlib import Path

from tasks import tracking
from tasks.errors import ServerError, TidemillError
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.serve import keys, live
from tasks.serve.app import Work, app
from tasks.serve.batching import Batcher
from tasks.serve.follow import Follower, opened
from tasks.serve.rates import Rates
from tasks.serve.state import State
from tasks.serve.traffic import Log

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = (LOOPBACK, "localhost", "::1")
LISTENING = "listening on "
"""A line of the output that starts so ends with the server's URL: it answers from then on."""

CONNECTIONS = 2048
"""More at once are answered 503 by uvicorn itself, before memory grows."""

STOP_GRACE_S = 10
IDLE_S = 75
"""Before an idle connection is closed: a client that asks just then loses its request, so it must not be soon."""


def serve_folder(recipe: Recipe, folder: Path, host: str, port: int) -> None:
    """Serve the model in `folder`, without keys, log or trial: parity asks it. Raises TidemillError, ServerError."""
    server = _state(recipe, host)
    server.champion = live.load(folder, None, recipe.threads, recipe.serve.engine)
    listen(server, host, port)


def serve_champion(recipe: Recipe, paths: Paths, host: str, port: int) -> None:
    """Serve the registry's champion of the recipe, and the next one as soon as the alias moves.

    Raises TidemillError when there is no champion or it cannot be loaded, ServerError without MLflow or the port.
    """
    if host not in LOOPBACK_NAMES and not recipe.serve.keys:
        raise TidemillError(f"{host}: others could ask without a key; say serve: {{keys: true}} in the recipe first")
    champion = tracking.at_alias(recipe.name, tracking.CHAMPION)
    if champion is None:
        raise TidemillError(f"{recipe.name}: has no champion yet; make one with: tidemill run {recipe.name}")
    server = _state(recipe, host)
    server.home = paths.home
    server.champion = opened(recipe, champion, paths.home)
    server.keys = keys.Keys(keys.file(paths.home, recipe.name)) if recipe.serve.keys else None
    if recipe.serve.traffic.content != "none":
        folder = paths.home / "traffic" / recipe.name
        server.traffic = Log(folder, recipe.serve.traffic, server.champion.kind, server.metrics)
    print(f"{recipe.name}@{champion.number} is loaded", flush=True)
    listen(server, host, port, Follower(server, paths.home).follow)


def listen(server: State, host: str, port: int, *work: Work) -> None:
    """Answer on the port (0: any free one) until SIGTERM or SIGINT; `work` goes on beside it."""
    import uvicorn

    with _bound(host, port) as listener:
        config = uvicorn.Config(
            app(server, *work),
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=STOP_GRACE_S,
        )
        listener.listen(CONNECTIONS)
        name, number = listener.getsockname()[:2]
        print(f"{LISTENING}http://{name}:{number}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def _state(recipe: Recipe, host: str) -> State:
    settings = recipe.serve
    hosts = LOOPBACK_NAMES if host in LOOPBACK_NAMES else ()
    # Half of the time limit for waiting: who is let in gets an answer.
    batcher = Batcher(recipe.threads, settings.waiting, settings.timeout_s / 2)
    return State(recipe, batcher, Rates(settings.rate), hosts)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ServerError(f"{host}:{port}: cannot listen ({error.strerror}); give another --port, or 0") from error
