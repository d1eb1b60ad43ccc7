"""The routes, and what starts and ends with the server."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.routing import Route

from tasks.serve import health, predict
from tasks.serve.exchange import guarded
from tasks.serve.state import State


def app(server: State) -> Starlette:
    """The ASGI application of one server."""
    routes = [
        Route("/v1/predict", guarded(predict.predict), methods=["POST"]),
        Route("/healthz", guarded(health.healthz)),
        Route("/readyz", guarded(health.readyz)),
        Route("/metrics", guarded(health.figures)),
    ]
    made = Starlette(routes=routes, lifespan=_life)
    made.state.tidemill = server
    return made


@contextlib.asynccontextmanager
async def _life(made: Starlette) -> AsyncIterator[None]:
    server: State = made.state.tidemill
    server.batcher.start()
    try:
        yield
    finally:
        server.batcher.close()
