"""Between bytes on the wire and handlers: bodies within limits, answers as JSON, faults as statuses."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tasks.errors import TidemillError
from tasks.serve import state
from tasks.serve.bodies import TOO_LARGE
from tasks.serve.keys import UNKNOWN
from tasks.serve.refusal import Refusal

Handler = Callable[[Request], Awaitable[Response]]

SLOW, GONE, BROKEN, FOREIGN = 503, 499, 500, 403
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


def caller(request: Request) -> str:
    """Whose limits the request counts towards: the key's name, or the address."""
    client = request.client
    return request.state.owner or (client.host if client else "unknown")


def guarded(handler: Handler, scope: str | None = None) -> Handler:
    """The handler behind host check, key check (for `scope`) and time limit; faults become JSON with a status."""

    async def answer(request: Request) -> Response:
        server = state.of(request)
        request.state.owner = None
        try:
            _require_own_pages(request, server.hosts)
            if server.keys is not None and scope is not None:
                request.state.owner = server.keys.owner(request.headers.get("authorization", ""), scope)
            async with asyncio.timeout(server.recipe.serve.timeout_s):
                response = await handler(request)
        except Refusal as refusal:
            response = refused(refusal)
        except TimeoutError:
            response = refused(Refusal(SLOW, f"took longer than {server.recipe.serve.timeout_s:g} s", 1))
        except ClientDisconnect:
            response = Response(status_code=GONE)
        except TidemillError as error:
            response = refused(Refusal(SLOW, str(error), 1))
        except Exception as error:  # noqa: BLE001 (the server goes on; the log gets the kind of fault, never the content)
            print(f"error: {request.url.path}: {type(error).__name__}", file=sys.stderr, flush=True)
            response = refused(Refusal(BROKEN, "the server failed; its log says more"))
        server.metrics.requests.labels(request.url.path, str(response.status_code)).inc()
        return response

    return answer


def _require_own_pages(request: Request, hosts: tuple[str, ...]) -> None:
    """Raises Refusal 403 for a page of another site that a browser lets ask here, under whatever name.

    A name of the attacker's that resolves to loopback (DNS rebinding) shows in Host, another site in Origin.
    """
    host = request.headers.get("host", "")
    if hosts and host.rpartition(":")[0].strip("[]") not in hosts and host.strip("[]") not in hosts:
        raise Refusal(FOREIGN, f"Host {host[:100]!r} is not this server; use: {', '.join(hosts)}")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise Refusal(FOREIGN, f"pages of {origin[:100]!r} may not ask here")


def refused(refusal: Refusal) -> Response:
    """The refusal as the caller reads it."""
    headers = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s else {}
    if refusal.status == UNKNOWN:
        headers["WWW-Authenticate"] = "Bearer"
    return json({"error": str(refusal)}, refusal.status, headers)
