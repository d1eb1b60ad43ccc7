"""POST /v1/predict: one record or many, answered by one version."""

import asyncio
import secrets
import time
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from tasks.serve import bodies, exchange, state
from tasks.serve.batching import Waiting
from tasks.serve.live import Live
from tasks.serve.recent import LONGEST, Answer
from tasks.serve.refusal import Refusal
from tasks.serve.traffic import Row


async def predict(request: Request) -> Response:
    """The class, confidence and probabilities of each record, with the version that answered."""
    started = time.perf_counter()
    server = state.of(request)
    server.batcher.require_room()
    body = await exchange.body(request)
    live, arm = server.chosen()
    contents = bodies.contents(body, live.kind.checked, server.recipe.serve.records)
    server.rates.charge(exchange.caller(request), len(contents))
    copy_to = server.shadowed()
    asked = await server.batcher.answered(live, contents)
    predictions = [prediction(asked, place) for place in range(len(contents))]
    _remember(server, asked, predictions, arm, request.state.owner)
    if copy_to is not None:
        copy = asyncio.create_task(_shadow(server, copy_to, contents, predictions))
        server.copies.add(copy)
        copy.add_done_callback(server.copies.discard)
    value = {"model": server.recipe.name, "version": live.version, "predictions": predictions}
    return _timed(server, exchange.json(value), asked, started)


def prediction(asked: Waiting, place: int) -> dict[str, Any]:
    """One record's answer as JSON values, with an id of its own."""
    row = asked.probabilities[place].tolist()
    classes = asked.live.model.classes
    best = max(range(len(row)), key=row.__getitem__)
    return {
        "id": prediction_id(),
        "class": classes[best],
        "confidence": row[best],
        "probabilities": dict(zip(classes, row, strict=True)),
    }


def prediction_id() -> str:
    """24 hexadecimal digits that sort by time: microseconds since 1970, then chance."""
    return f"{time.time_ns() // 1000:014x}{secrets.token_hex(5)}"


def _remember(
    server: state.State, asked: Waiting, predictions: list[dict[str, Any]], arm: str, owner: str | None
) -> None:
    """Keep the answers for the page, for corrections and for the traffic log, as far as the recipe allows."""
    now, version, kept = time.time(), asked.live.version, server.recipe.serve.traffic.content
    for place, (content, found) in enumerate(zip(asked.contents, predictions, strict=True)):
        short = kept == "full" and len(content) <= LONGEST
        server.recent.add(
            Answer(
                now,
                found["id"],
                version,
                arm,
                content if short else None,
                found["class"],
                found["confidence"],
            )
        )
        if server.traffic is not None:
            milliseconds = 1000 * (asked.ended_at - asked.asked_at)
            row = (content, asked.live.model.classes, asked.probabilities[place], asked.embeddings[place])
            server.traffic.add(Row(now, found["id"], version, arm, *row, milliseconds, owner))


async def _shadow(server: state.State, live: Live, contents: list[Any], predictions: list[dict[str, Any]]) -> None:
    """Let the challenger answer a copy; whatever goes wrong there, nobody waits for it."""
    try:
        asked = await server.batcher.answered(live, contents)
    except Refusal:
        return
    for place, found in enumerate(predictions):
        best = live.model.classes[int(np.argmax(asked.probabilities[place]))]
        if (answer := server.recent.get(found["id"])) is not None:
            answer.shadow = best
        if server.traffic is not None:
            milliseconds = 1000 * (asked.ended_at - asked.asked_at)
            row = (contents[place], live.model.classes, asked.probabilities[place], asked.embeddings[place])
            server.traffic.add(Row(time.time(), found["id"], live.version, "shadow", *row, milliseconds, None))


def _timed(server: state.State, response: Response, asked: Waiting, started: float) -> Response:
    """The response with where its time went (Server-Timing), which the metrics get too."""
    whole = time.perf_counter() - started
    waited, own = asked.begun_at - asked.asked_at, whole - (asked.ended_at - asked.asked_at)
    server.metrics.seconds.observe(whole)
    server.metrics.own_seconds.observe(own)
    server.metrics.records.labels(str(asked.live.version)).inc(len(asked.contents))
    parts = {"own": own, "wait": waited, "model": asked.ended_at - asked.begun_at}
    timing = ", ".join(f"{name};dur={1000 * seconds:.3f}" for name, seconds in parts.items())
    response.headers["Server-Timing"] = timing
    return response
