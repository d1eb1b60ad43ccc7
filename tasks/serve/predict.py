"""POST /v1/predict: one record or many, answered by one version."""

import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tasks.serve import bodies, exchange, state
from tasks.serve.batching import Waiting


async def predict(request: Request) -> Response:
    """The class, confidence and probabilities of each record, with the version that answered."""
    started = time.perf_counter()
    server = state.of(request)
    server.batcher.require_room()
    body = await exchange.body(request)
    live = server.live
    contents = bodies.contents(body, live.kind.checked, server.recipe.serve.records)
    asked = await server.batcher.answered(live, contents)
    predictions = [prediction(asked, place) for place in range(len(contents))]
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
