"""Between bytes on the wire and handlers: bodies within limits, answers as JSON, faults as statuses."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tasks.serve import state
from tasks.serve.bodies import TOO_LARGE
from tasks.serve.refusal import Refusal

Handler = Callable[[Request], Awaitable[Response]]

SLOW, GONE, BROKEN = 503, 499, 500
KB = 1024
SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The value as a JSON response."""
    return Response(orjson.dumps(value), status, {**SAFE_HEADERS, **(headers or {})}, "application/json")


async def body(request: Request) -> bytes:
    """The whole body. Raises Refusal 413 as soon as it is larger than the recipe allows."""
    most = state.of(request).recipe.serve.body_kb * KB
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        raise Refusal(TOO_LARGE, f"the body has {said} bytes; at most {most} are read")
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > most:
            raise Refusal(TOO_LARGE, f"the body has more than {most} bytes")
    return bytes(read)


def guarded(handler: Handler) -> Handler:
    """The handler with a time limit, its faults as JSON with a status, and its requests counted."""

    async def answer(request: Request) -> Response:
        server = state.of(request)
        try:
            async with asyncio.timeout(server.recipe.serve.timeout_s):
                response = await handler(request)
        except Refusal as refusal:
            response = refused(refusal)
        except TimeoutError:
            response = refused(Refusal(SLOW, f"took longer than {server.recipe.serve.timeout_s:g} s", 1))
        except ClientDisconnect:
            response = Response(status_code=GONE)
        except Exception as error:  # noqa: BLE001 (the server goes on; the log gets the kind of fault, never the content)
            print(f"error: {request.url.path}: {type(error).__name__}", file=sys.stderr, flush=True)
            response = refused(Refusal(BROKEN, "the server failed; its log says more"))
        server.metrics.requests.labels(request.url.path, str(response.status_code)).inc()
        return response

    return answer


def refused(refusal: Refusal) -> Response:
    """The refusal as the caller reads it."""
    headers = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s else {}
    return json({"error": str(refusal)}, refusal.status, headers)
