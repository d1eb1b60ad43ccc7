"""Load on an HTTP server from raw sockets, so that little of the machine goes to the asking side."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Result:
    """What a load brought: seconds and own milliseconds of each answered request, statuses, answers to look at."""

    seconds: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    broken: int = 0
    took: float = 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds below which that share of the answered requests stayed."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    @property
    def rate(self) -> float:
        """Answered requests a second."""
        return len(self.seconds) / self.took


@dataclass(frozen=True)
class Target:
    """Where requests go, and how a text becomes one."""

    port: int
    path: str
    body: Callable[[str], object]

    def request(self, text: str) -> bytes:
        """The bytes of one request."""
        body = json.dumps(self.body(text)).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def loaded(target: Target, texts: Sequence[str], clients: int, seconds: float, rate: float | None = None) -> Result:
    """What `clients` clients get in that time: one request after the other each, or `rate` in all, steadily begun."""
    return asyncio.run(_load(target, texts, clients, seconds, rate))


async def _load(target: Target, texts: Sequence[str], clients: int, seconds: float, rate: float | None) -> Result:
    result = Result()
    requests = itertools.cycle([target.request(text) for text in texts])
    begun = time.perf_counter()
    end = begun + seconds
    turns = itertools.count()

    async def client() -> None:
        streams = None
        while True:
            due = time.perf_counter() if rate is None else begun + next(turns) / rate
            if due >= end or time.perf_counter() >= end:
                break
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", target.port)
                started = time.perf_counter()
                status, own = await _exchange(*streams, next(requests))
            except (OSError, asyncio.IncompleteReadError):
                result.broken += 1
                streams = None
                continue
            result.statuses[status] = result.statuses.get(status, 0) + 1
            if status == 200:
                result.seconds.append(time.perf_counter() - started)
                result.own_ms.extend(own)
        if streams:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    await asyncio.gather(*(client() for _ in range(clients)))
    result.took = time.perf_counter() - begun
    return result


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, list[float]]:
    """The status, and the milliseconds that a Server-Timing header names as the server's own."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
    else:
        while (size := int(await reader.readuntil(b"\r\n"), 16)) or not await reader.readuntil(b"\r\n"):
            await reader.readexactly(size + 2)
    own = [
        float(part.partition("dur=")[2]) for part in headers.get("server-timing", "").split(", ") if part[:4] == "own;"
    ]
    return int(head.split(" ", 2)[1]), own
