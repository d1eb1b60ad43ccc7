"""The routes, and what starts and ends with the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from tasks.serve import explain, feedback, health, history, openapi, predict
from tasks.serve.exchange import SAFE_HEADERS, Handler, guarded
from tasks.serve.state import State

PAGE = Path(__file__).with_name("page")
PAGE_HEADERS = {
    **SAFE_HEADERS,
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
}
LOOK_AT_LOG_S = 1.0
CLEAN_EVERY = 3600
"""Looks at the traffic log between two searches for files that are too old."""

Work = Callable[[], Awaitable[None]]


def app(server: State, *work: Work) -> Starlette:
    """The ASGI application of one server; `work` goes on beside it until it ends."""
    routes = [
        Route("/v1/predict", guarded(predict.predict, "predict"), methods=["POST"]),
        Route("/v1/explain", guarded(explain.explain, "explain"), methods=["POST"]),
        Route("/v1/feedback", guarded(feedback.feedback, "feedback"), methods=["POST"]),
        Route("/v1/versions", guarded(history.versions, "read")),
        Route("/v1/recent", guarded(history.recent, "read")),
        Route("/v1/trial", guarded(history.trial, "read")),
        Route("/metrics", guarded(health.figures, "read")),
        Route("/healthz", guarded(health.healthz)),
        Route("/readyz", guarded(health.readyz)),
        Route("/openapi.json", guarded(openapi.openapi)),
        Route("/", guarded(_page("index.html"))),
        Route("/docs", guarded(_page("docs.html"))),
        *(Route(f"/{name}", guarded(_page(name))) for name in ("page.js", "words.js", "docs.js", "page.css")),
    ]
    made = Starlette(routes=routes, lifespan=_life(server, work))
    made.state.tidemill = server
    return made


def _page(name: str) -> Handler:
    async def page(_: Request) -> Response:
        return FileResponse(PAGE / name, headers=PAGE_HEADERS)

    return page


def _life(server: State, work: tuple[Work, ...]) -> Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        server.batcher.start()
        beside = [asyncio.create_task(_running(one)) for one in (*work, lambda: _keep_log(server))]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            server.batcher.close()
            if server.traffic is not None:
                server.traffic.write()

    return life


async def _running(work: Work) -> None:
    await work()


async def _keep_log(server: State) -> None:
    """Write the traffic log when it is due, and now and then forget what is old."""
    looks = 0
    while server.traffic is not None:
        if looks % CLEAN_EVERY == 0:
            await asyncio.to_thread(server.traffic.forget_old)
        if server.traffic.due:
            await asyncio.to_thread(server.traffic.write)
        looks += 1
        await asyncio.sleep(LOOK_AT_LOG_S)
