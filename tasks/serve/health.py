"""Whether the process lives, whether it can answer, and its figures."""

from starlette.requests import Request
from starlette.responses import Response

from tasks.serve import exchange, metrics, state


async def healthz(_: Request) -> Response:
    """200 while the event loop turns."""
    return exchange.json({"status": "alive"})


async def readyz(request: Request) -> Response:
    """200 with the version once a model is loaded and warm, 503 before."""
    server = state.of(request)
    return exchange.json({"status": "ready", "model": server.recipe.name, "version": server.live.version})


async def figures(request: Request) -> Response:
    """All metrics."""
    server = state.of(request)
    server.metrics.waiting.set(server.batcher.waiting)
    server.metrics.champion.set((server.champion and server.champion.version) or 0)
    return Response(server.metrics.text(), media_type=metrics.CONTENT_TYPE)
